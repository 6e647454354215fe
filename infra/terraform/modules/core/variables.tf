variable "fleet" {
  description = "What all parts share; the root module makes it (see its main.tf)."
  type = object({
    name    = string
    game    = object({ name = string, dialect = string })
    release = object({ bucket = string, key = string, sha256 = string })
    ports   = object({ game = number, tunnel = number, admin = number, http = number, probe = number })
    image   = string
  })
}

variable "core" {
  description = "Size of the cores; `core` of the root module explains each."
  type = object({
    name           = string
    instance_type  = string
    min            = number
    max            = number
    max_sessions   = number
    workers        = number
    drain_seconds  = number
    disk_gibibytes = number
    operators      = list(string)
    monitors       = list(string)
  })
}

variable "origin" {
  description = "The game server: HOST:PORT, and the prefixes that cores may connect to on its port."
  type        = object({ address = string, prefixes = list(string) })
}

variable "network" {
  description = "Where the cores stand: VPC and private subnets."
  type = object({
    vpc_id          = string
    private_subnets = list(object({ id = string, prefix = string }))
  })
}

variable "edge_prefixes" {
  description = "The subnets of all edges, by any stable key: who may attach."
  type        = map(string)
}

variable "discovery" {
  description = "Settings of the section `discovery`."
  type        = any
}

variable "consul_prefixes" {
  description = "Where the Consul servers are, none without Consul."
  type        = list(string)
}

variable "dns" {
  description = "Zone and name that a lone core enters its address under; null where Consul does that."
  type        = object({ zone_id = string, name = string })
  default     = null
}

variable "redis" {
  description = "The Redis: its token's secret (name and ARN), HOST:PORT and prefixes; null where there is none."
  type        = object({ secret_name = string, secret_arn = string, address = string, port = number, prefixes = list(string) })
  default     = null
}
