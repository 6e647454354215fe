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

variable "region" {
  description = "What the region is called in settings, certificates and metrics."
  type        = string
}

variable "edge" {
  description = "Size and kind of the edges; `edges` of the root module explains each."
  type = object({
    zones                 = number
    instance_type         = string
    min                   = number
    max                   = number
    entry                 = string
    sessions_per_instance = number
    cpu_percent           = number
    max_sessions          = number
    workers               = number
    drain_seconds         = number
    disk_gibibytes        = number
  })
}

variable "network" {
  description = "Where the edges stand: VPC and public subnets."
  type = object({
    vpc_id         = string
    prefix         = string
    public_subnets = list(object({ id = string, prefix = string }))
  })
}

variable "core" {
  description = "How edges find cores: settings of the section `discovery`, `edge.core`, and which prefixes they reach for it."
  type = object({
    discovery       = any
    addresses       = list(string)
    tunnel_prefixes = list(string)
    consul_prefixes = list(string)
    has_consul      = bool
  })
}

variable "public_name" {
  description = "The name players connect to, or null for the load balancer's own."
  type        = string
  default     = null
}
