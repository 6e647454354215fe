# Edges reach the tunnel's port, operators the admin port, monitors the HTTP port; nobody else reaches anything.

locals {
  lets_in = merge(
    { for key, prefix in var.edge_prefixes : "tunnel-${key}" => { port = var.fleet.ports.tunnel, prefix = prefix } },
    { for prefix in var.core.operators : "admin-${prefix}" => { port = var.fleet.ports.admin, prefix = prefix } },
    { for prefix in var.core.monitors : "http-${prefix}" => { port = var.fleet.ports.http, prefix = prefix } },
  )
  origin_port = tonumber(element(split(":", var.origin.address), length(split(":", var.origin.address)) - 1))
  reaches = merge(
    { for prefix in var.origin.prefixes : "origin-${prefix}" => { port = local.origin_port, prefix = prefix } },
    { for prefix in var.consul_prefixes : "consul-${prefix}" => { port = 8501, prefix = prefix } },
    { for prefix in try(var.redis.prefixes, []) : "redis-${prefix}" => { port = var.redis.port, prefix = prefix } },
  )
}

resource "aws_security_group" "core" {
  name        = local.name
  description = "Cores of ${var.fleet.name}"
  vpc_id      = var.network.vpc_id

  tags = { Name = local.name }
}

resource "aws_vpc_security_group_ingress_rule" "core" {
  for_each = local.lets_in

  security_group_id = aws_security_group.core.id
  description       = each.key
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.prefix
}

resource "aws_vpc_security_group_egress_rule" "core" {
  for_each = local.reaches

  security_group_id = aws_security_group.core.id
  description       = each.key
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.prefix
}

# AWS's own services and the package index, by HTTPS.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.core.id
  description       = "AWS and packages by HTTPS, ${each.key}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}
