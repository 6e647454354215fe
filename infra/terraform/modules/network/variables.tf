variable "name" {
  description = "What the network and everything in it is called."
  type        = string
}

variable "prefix" {
  description = "IPv4 prefix of the network, /16 to /22; it is cut into eight subnets of equal size."
  type        = string

  validation {
    condition     = can(cidrhost(var.prefix, 0)) && try(tonumber(split("/", var.prefix)[1]) >= 16 && tonumber(split("/", var.prefix)[1]) <= 22, false)
    error_message = "prefix is \"${var.prefix}\": write an IPv4 prefix from /16 to /22, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "How many availability zones are used."
  type        = number

  validation {
    condition     = contains([1, 2, 3, 4], var.zones)
    error_message = "zones is ${var.zones}: write 1 to 4."
  }
}

variable "has_private_subnets" {
  description = "Whether there are private subnets too, which reach out through a NAT gateway and are reached by nobody."
  type        = bool
  default     = false
}

variable "nat_gateways" {
  description = "How the private subnets reach out: `one` gateway for all zones, `zones` for one in each, or `none`."
  type        = string
  default     = "one"

  validation {
    condition     = contains(["one", "zones", "none"], var.nat_gateways)
    error_message = "nat_gateways is \"${var.nat_gateways}\": write one, zones or none."
  }
}
