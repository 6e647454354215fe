variable "fleet" {
  description = "What all parts share; the root module makes it (see its main.tf)."
  type        = any
}

variable "region" {
  description = "What the region is called in settings, certificates and metrics."
  type        = string
}

variable "aws_region" {
  description = "The AWS region that the provider given as `aws` must work in."
  type        = string
}

variable "edge" {
  description = "Size and kind of the edges; `edges` of the root module explains each."
  type        = any
}

variable "core" {
  description = "How edges find cores (see the module edge)."
  type        = any
}

variable "core_network" {
  description = "The cores' network: VPC, AWS region, prefix, and route tables, which get a way back."
  type        = object({ vpc_id = string, aws_region = string, prefix = string, route_tables = list(string), route_table_count = number })
}

variable "zone_id" {
  description = "The fleet's private zone, which the network of this region is to see."
  type        = string
}

variable "public_name" {
  description = "The name players connect to, or null."
  type        = string
}
