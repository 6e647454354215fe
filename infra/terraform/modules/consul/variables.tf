variable "name" {
  description = "The fleet's name; parameters in SSM begin with /tidegate/NAME/consul/."
  type        = string
}

variable "consul" {
  description = "Servers (3 or 5), instance type, disk, and the release: a zip in S3 with its SHA-256."
  type = object({
    servers        = number
    instance_type  = string
    disk_gibibytes = number
    release        = object({ bucket = string, key = string, sha256 = string })
  })
}

variable "network" {
  description = "Where the servers stand: VPC and private subnets."
  type = object({
    vpc_id          = string
    private_subnets = list(object({ id = string, prefix = string }))
  })
}

variable "clients" {
  description = "Prefixes of all relays, by any stable key: who may ask the servers."
  type        = map(string)
}

variable "image" {
  description = "AMI of the servers."
  type        = string
}

variable "zone" {
  description = "Private zone that the servers' common name is entered in: id and name."
  type        = object({ id = string, name = string })
}
