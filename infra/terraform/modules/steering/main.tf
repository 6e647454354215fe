# One name for all regions: a player gets the entry that is nearest by latency and healthy.

locals {
  balancers = { for region, entry in var.entries : region => entry if entry.kind == "balancer" }
  addresses = { for region, entry in var.entries : region => entry if entry.kind == "addresses" }

  # A balancer has an IPv6 address too.
  aliases = merge([for region, entry in local.balancers : {
    for type in ["A", "AAAA"] : "${region}-${type}" => merge(entry, { region = region, type = type })
  }]...)
}

# A region with elastic addresses is healthy while any of them takes connections, so each is checked.
resource "aws_route53_health_check" "balancer" {
  for_each = local.balancers

  type              = "TCP"
  fqdn              = each.value.dns_name
  port              = each.value.port
  request_interval  = 10
  failure_threshold = 2

  tags = { Name = "${var.fleet}-${each.key}" }
}

locals {
  each_address = merge([for region, entry in local.addresses : {
    for index in range(length(entry.addresses)) : "${region}-${index + 1}" => { address = entry.addresses[index], port = entry.port }
  }]...)
}

resource "aws_route53_health_check" "address" {
  for_each = local.each_address

  type              = "TCP"
  ip_address        = each.value.address
  port              = each.value.port
  request_interval  = 10
  failure_threshold = 2

  tags = { Name = "${var.fleet}-${each.key}" }
}

resource "aws_route53_health_check" "addresses" {
  for_each = local.addresses

  type                   = "CALCULATED"
  child_health_threshold = 1
  child_healthchecks     = [for index in range(length(each.value.addresses)) : aws_route53_health_check.address["${each.key}-${index + 1}"].id]

  tags = { Name = "${var.fleet}-${each.key}" }
}

resource "aws_route53_record" "balancer" {
  for_each = local.aliases

  zone_id         = var.steering.zone_id
  name            = var.steering.name
  type            = each.value.type
  set_identifier  = each.value.region
  health_check_id = aws_route53_health_check.balancer[each.value.region].id

  alias {
    name                   = each.value.dns_name
    zone_id                = each.value.zone_id
    evaluate_target_health = true
  }

  latency_routing_policy {
    region = each.value.aws_region
  }
}

# Each region's own addresses stand under a name of their own, where every address has its own health; the common name
# points there.
resource "aws_route53_record" "address" {
  for_each = local.each_address

  zone_id                          = var.steering.zone_id
  name                             = "${join("-", slice(split("-", each.key), 0, length(split("-", each.key)) - 1))}.${var.steering.name}"
  type                             = "A"
  ttl                              = var.steering.ttl_seconds
  records                          = [each.value.address]
  set_identifier                   = each.key
  health_check_id                  = aws_route53_health_check.address[each.key].id
  multivalue_answer_routing_policy = true
}

resource "aws_route53_record" "addresses" {
  for_each = local.addresses

  zone_id         = var.steering.zone_id
  name            = var.steering.name
  type            = "A"
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.addresses[each.key].id

  alias {
    name                   = "${each.key}.${var.steering.name}"
    zone_id                = var.steering.zone_id
    evaluate_target_health = true
  }

  latency_routing_policy {
    region = each.value.aws_region
  }

  depends_on = [aws_route53_record.address]
}

# Two fixed addresses for the whole world, over AWS's own network. The client's address stays as it is only towards
# elastic addresses; a balancer behind it keeps it as well.
resource "aws_globalaccelerator_accelerator" "this" {
  count = var.steering.has_accelerator ? 1 : 0

  name            = var.fleet
  ip_address_type = "IPV4"
}

resource "aws_globalaccelerator_listener" "game" {
  count = var.steering.has_accelerator ? 1 : 0

  accelerator_arn = aws_globalaccelerator_accelerator.this[0].arn
  protocol        = "TCP"
  client_affinity = "SOURCE_IP"

  port_range {
    from_port = one(distinct([for entry in var.entries : entry.port]))
    to_port   = one(distinct([for entry in var.entries : entry.port]))
  }
}

resource "aws_globalaccelerator_endpoint_group" "region" {
  for_each = var.steering.has_accelerator ? var.entries : {}

  listener_arn                  = aws_globalaccelerator_listener.game[0].arn
  endpoint_group_region         = each.value.aws_region
  health_check_protocol         = "TCP"
  health_check_port             = each.value.port
  health_check_interval_seconds = 10
  threshold_count               = 2

  dynamic "endpoint_configuration" {
    for_each = each.value.kind == "balancer" ? [each.value.arn] : each.value.eip_ids

    content {
      endpoint_id                    = endpoint_configuration.value
      client_ip_preservation_enabled = each.value.kind == "balancer"
      weight                         = 128
    }
  }
}
