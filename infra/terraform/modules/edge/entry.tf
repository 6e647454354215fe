# Where players come in: one balancer for all instances, or an elastic address for each.

resource "aws_lb" "entry" {
  count = local.has_balancer ? 1 : 0

  name                             = local.name
  load_balancer_type               = "network"
  ip_address_type                  = "dualstack"
  subnets                          = local.subnets[*].id
  security_groups                  = [aws_security_group.balancer[0].id]
  enable_cross_zone_load_balancing = true

  tags = { Name = local.name }
}

# The balancer connects by its own address and says the player's in a PROXY header, which edges take from its subnets
# only (`edge.proxy_from`).
resource "aws_lb_target_group" "game" {
  count = local.has_balancer ? 1 : 0

  name                   = "${var.fleet.name}-${var.region}-game"
  vpc_id                 = var.network.vpc_id
  protocol               = "TCP"
  port                   = var.fleet.ports.game
  proxy_protocol_v2      = true
  preserve_client_ip     = "false"
  connection_termination = false
  deregistration_delay   = min(var.edge.drain_seconds, 3600)

  health_check {
    protocol            = "HTTP"
    port                = var.fleet.ports.http
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "game" {
  count = local.has_balancer ? 1 : 0

  load_balancer_arn = aws_lb.entry[0].arn
  port              = var.fleet.ports.game
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.game[0].arn
  }
}

# Probes by HTTP. Their limits go by the client's address, so that stays as it is. UDP does not pass here.
resource "aws_lb_target_group" "probe" {
  count = local.has_balancer && var.fleet.ports.probe != null ? 1 : 0

  name               = "${var.fleet.name}-${var.region}-probe"
  vpc_id             = var.network.vpc_id
  protocol           = "TCP"
  port               = var.fleet.ports.probe
  preserve_client_ip = "true"

  health_check {
    protocol = "HTTP"
    port     = var.fleet.ports.http
    path     = "/readyz"
    matcher  = "200"
    interval = 10
    timeout  = 5
  }
}

resource "aws_lb_listener" "probe" {
  count = local.has_balancer && var.fleet.ports.probe != null ? 1 : 0

  load_balancer_arn = aws_lb.entry[0].arn
  port              = var.fleet.ports.probe
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.probe[0].arn
  }
}

# As many as there may be instances, with those that take over from others; each takes a free one when it starts.
resource "aws_eip" "edge" {
  count = local.has_balancer ? 0 : local.most

  domain = "vpc"

  tags = { Name = "${local.name}-${count.index + 1}", tidegate-fleet = var.fleet.name, tidegate-region = var.region }

  # Which instance has it is the instances' business.
  lifecycle {
    ignore_changes = [instance, network_interface, associate_with_private_ip]
  }
}
