variable "role" {
  description = "What the instance becomes: edge or core."
  type        = string

  validation {
    condition     = contains(["edge", "core"], var.role)
    error_message = "role is \"${var.role}\": write edge or core."
  }
}

variable "fleet" {
  description = "The fleet's name; parameters in SSM begin with /tidegate/FLEET/."
  type        = string
}

variable "region" {
  description = "What the region is called in settings and certificates."
  type        = string
}

variable "aws_region" {
  description = "The AWS region the instance stands in."
  type        = string
}

variable "release" {
  description = "The wheel in S3, and its SHA-256."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "settings" {
  description = "Settings by section and key, as in docs/settings.md. @NAME@, @ADDRESS@ and @PUBLIC@ are filled in by the instance."
  type        = any
}

variable "drain_seconds" {
  description = "How long players may go on when the service is stopped."
  type        = number
}

variable "workers" {
  description = "Processes of the relay; each has an HTTP port of its own."
  type        = number
  default     = 1
}

variable "http_port" {
  description = "Where the first process answers for metrics and readiness."
  type        = number
}

variable "lifecycle_hook" {
  description = "Name of the hook that waits until the instance has drained."
  type        = string
}

variable "group" {
  description = "Name of the autoscaling group."
  type        = string
}

variable "has_elastic_address" {
  description = "Whether the instance takes a free elastic address of the fleet and region."
  type        = bool
  default     = false
}

variable "redis_secret" {
  description = "Name of the secret that holds the Redis's token, and where the Redis is (HOST:PORT); null where there is none."
  type        = object({ name = string, address = string })
  default     = null
}

variable "dns" {
  description = "Zone and name that a lone core enters its address under; null where Consul does that."
  type        = object({ zone_id = string, name = string })
  default     = null
}

variable "has_consul_certificate" {
  description = "Whether the instance fetches a certificate for the Consul servers."
  type        = bool
  default     = false
}
