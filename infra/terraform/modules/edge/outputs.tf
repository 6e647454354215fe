output "entry" {
  description = "Where players come in: kind, names and addresses, port, and the zone of the balancer's name."
  value = {
    kind      = var.edge.entry
    dns_name  = one(aws_lb.entry[*].dns_name)
    zone_id   = one(aws_lb.entry[*].zone_id)
    arn       = one(aws_lb.entry[*].arn)
    addresses = aws_eip.edge[*].public_ip
    eip_ids   = aws_eip.edge[*].allocation_id
    port      = var.fleet.ports.game
  }
}

output "group" {
  description = "Name of the autoscaling group."
  value       = aws_autoscaling_group.edge.name
}

output "security_groups" {
  description = "Security groups of the instances and, where there is one, of the balancer."
  value       = { instances = aws_security_group.edge.id, balancer = one(aws_security_group.balancer[*].id) }
}

output "settings" {
  description = "The settings file of the edges."
  value       = module.cloud_init.settings
}
