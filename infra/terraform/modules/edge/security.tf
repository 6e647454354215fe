# What is let in and out. The game's port, and the probe's where it is set, are all that the world reaches.

locals {
  world = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  # Without a balancer probes are answered by UDP on the game's port, or by both on a port of their own.
  open = merge(
    { game = { protocol = "tcp", port = var.fleet.ports.game } },
    var.fleet.ports.probe == null ? {} : { probe = { protocol = "tcp", port = var.fleet.ports.probe } },
    local.has_balancer ? {} : { udp = { protocol = "udp", port = coalesce(var.fleet.ports.probe, var.fleet.ports.game) } },
  )
  open_to_world = merge([for what, each in local.open : {
    for family, prefix in local.world : "${what}-${family}" => merge(each, { family = family, prefix = prefix })
  }]...)

  from_balancer = local.has_balancer ? merge(
    { for what, each in local.open : what => each.port },
    { health = var.fleet.ports.http },
  ) : {}

  reaches = merge(
    { for prefix in var.core.tunnel_prefixes : "tunnel-${prefix}" => { port = var.fleet.ports.tunnel, prefix = prefix } },
    { for prefix in var.core.consul_prefixes : "consul-${prefix}" => { port = 8501, prefix = prefix } },
  )
}

resource "aws_security_group" "balancer" {
  count = local.has_balancer ? 1 : 0

  name        = "${local.name}-balancer"
  description = "Players, to the balancer of ${local.name}"
  vpc_id      = var.network.vpc_id

  tags = { Name = "${local.name}-balancer" }
}

resource "aws_security_group" "edge" {
  name        = local.name
  description = "Instances of ${local.name}"
  vpc_id      = var.network.vpc_id

  tags = { Name = local.name }
}

resource "aws_vpc_security_group_ingress_rule" "world" {
  for_each = local.open_to_world

  security_group_id = local.has_balancer ? aws_security_group.balancer[0].id : aws_security_group.edge.id
  description       = "Players: ${each.key}"
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.family == "ipv4" ? each.value.prefix : null
  cidr_ipv6         = each.value.family == "ipv6" ? each.value.prefix : null
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = local.from_balancer

  security_group_id            = aws_security_group.edge.id
  description                  = "The balancer: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.balancer[0].id
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each = local.from_balancer

  security_group_id            = aws_security_group.balancer[0].id
  description                  = "The instances: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.edge.id
}

resource "aws_vpc_security_group_egress_rule" "core" {
  for_each = local.reaches

  security_group_id = aws_security_group.edge.id
  description       = "Cores and Consul: ${each.key}"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.prefix
}

# AWS's own services and the package index, by HTTPS.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = local.world

  security_group_id = aws_security_group.edge.id
  description       = "AWS and packages by HTTPS, ${each.key}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}
