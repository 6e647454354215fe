variable "name" {
  description = "What the replication group is called."
  type        = string
}

variable "redis" {
  description = "Size: node type, nodes (one of them the primary), engine version, days that snapshots are kept."
  type        = object({ node_type = string, nodes = number, engine_version = string, snapshot_days = number })
}

variable "network" {
  description = "Where it stands: VPC and private subnets."
  type = object({
    vpc_id          = string
    private_subnets = list(object({ id = string, prefix = string }))
  })
}
