variable "fleet" {
  description = "The fleet's name."
  type        = string
}

variable "steering" {
  description = "The public zone, the one name of all regions, and whether a Global Accelerator stands before them."
  type        = object({ zone_id = string, name = string, has_accelerator = bool, ttl_seconds = number })
}

variable "entries" {
  description = "By region: the AWS region, and where players come in (the output `entry` of the module edge)."
  type = map(object({
    aws_region = string
    kind       = string
    dns_name   = string
    zone_id    = string
    arn        = string
    addresses  = list(string)
    eip_ids    = list(string)
    port       = number
  }))
}
