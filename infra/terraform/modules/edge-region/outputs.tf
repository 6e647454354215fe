output "entry" {
  description = "Where players come in (see the module edge), with the AWS region."
  value       = merge(module.edge.entry, { aws_region = var.aws_region })
}

output "region" {
  description = "What was made here, by id."
  value = {
    aws_region      = var.aws_region
    vpc_id          = module.network.vpc_id
    group           = module.edge.group
    security_groups = module.edge.security_groups
    peering         = aws_vpc_peering_connection.core.id
  }
}

output "settings" {
  description = "The settings file of the edges."
  value       = module.edge.settings
}
