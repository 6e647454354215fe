output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnets" {
  description = "Public subnets, one a zone: id and IPv4 prefix."
  value       = [for each in aws_subnet.public : { id = each.id, prefix = each.cidr_block }]
}

output "private_subnets" {
  description = "Private subnets, one a zone, or none: id and IPv4 prefix."
  value       = [for each in aws_subnet.private : { id = each.id, prefix = each.cidr_block }]
}

output "route_tables" {
  description = "Route tables of the public subnets (first) and of each private one."
  value       = concat([aws_route_table.public.id], aws_route_table.private[*].id)
}
