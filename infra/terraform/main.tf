# A fleet: one region of cores before the game server, any number of regions of edges (regions.tf), and one name.

data "aws_region" "core" {}

locals {
  fleet = {
    name    = var.name
    game    = var.game
    release = var.release
    ports   = var.ports
    image   = var.image
  }

  domain      = "${var.name}.internal"
  has_consul  = var.consul != null
  public_name = try(var.steering.name, null)

  # The first four of a network's eight subnets are public ones, which hold edges; the others hold cores.
  edge_prefixes = merge([for name, edge in var.edges : {
    for zone in range(edge.zones) : "${name}-${zone + 1}" => cidrsubnet(edge.prefix, 3, zone)
  }]...)
  core_prefixes = { for zone in range(var.core.zones) : "core-${zone + 1}" => cidrsubnet(var.core.prefix, 3, 4 + zone) }

  origin = {
    address  = var.origin.address
    prefixes = length(var.origin.prefixes) > 0 ? var.origin.prefixes : ["${split(":", var.origin.address)[0]}/32"]
  }

  consul_address  = local.has_consul ? try(coalesce(var.consul.address), one(module.consul[*].address)) : null
  consul_prefixes = !local.has_consul ? [] : var.consul.address != null ? var.consul.prefixes : one(module.consul[*].prefixes)

  discovery = !local.has_consul ? { kind = "static" } : {
    kind                    = "consul"
    service_prefix          = var.name
    consul_address          = local.consul_address
    consul_authority_file   = "/etc/tidegate/consul/authority.pem"
    consul_certificate_file = "/etc/tidegate/consul/certificate.pem"
    consul_key_file         = "/etc/tidegate/consul/key.pem"
  }

  # A lone core enters its address under this name; several are found by Consul.
  core_name = "core.${local.domain}"

  core_for_edges = {
    discovery       = local.discovery
    addresses       = local.has_consul ? [] : ["${local.core_name}:${var.ports.tunnel}"]
    tunnel_prefixes = values(local.core_prefixes)
    consul_prefixes = local.consul_prefixes
    has_consul      = local.has_consul
  }

  core_network = {
    vpc_id            = module.core_network.vpc_id
    aws_region        = data.aws_region.core.name
    prefix            = var.core.prefix
    route_tables      = module.core_network.route_tables
    route_table_count = 1 + var.core.zones
  }
}

module "core_network" {
  source = "./modules/network"

  name                = "${var.name}-core-${var.core.name}"
  prefix              = var.core.prefix
  zones               = var.core.zones
  has_private_subnets = true
  nat_gateways        = var.core.nat_gateways
}

# Names that only the fleet's own networks see. Edges' networks are added by modules/edge-region.
resource "aws_route53_zone" "private" {
  name          = local.domain
  comment       = "Inside the fleet ${var.name}"
  force_destroy = true # a lone core enters its own address

  vpc {
    vpc_id = module.core_network.vpc_id
  }

  lifecycle {
    ignore_changes = [vpc]
  }
}

module "redis" {
  source = "./modules/redis"
  count  = var.redis == null ? 0 : 1

  name    = var.name
  redis   = var.redis
  network = module.core_network
}

# Consul's servers are not a launch template, so EC2 does not look their image up.
data "aws_ssm_parameter" "consul_image" {
  count = try(var.consul.release, null) != null && try(var.consul.image, null) == null ? 1 : 0

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${startswith(split(".", var.consul.instance_type)[0], "t4g") ? "arm64" : "x86_64"}"
}

module "consul" {
  source = "./modules/consul"
  count  = try(var.consul.release, null) == null ? 0 : 1

  name    = var.name
  consul  = var.consul
  network = module.core_network
  clients = merge(local.edge_prefixes, local.core_prefixes)
  image   = try(coalesce(var.consul.image), nonsensitive(one(data.aws_ssm_parameter.consul_image[*].value)))
  zone    = { id = aws_route53_zone.private.zone_id, name = local.domain }
}

module "core" {
  source = "./modules/core"

  fleet           = local.fleet
  core            = merge(var.core, { min = var.core.instances, max = var.core.instances + var.core.spare })
  origin          = local.origin
  network         = module.core_network
  edge_prefixes   = local.edge_prefixes
  discovery       = local.discovery
  consul_prefixes = local.consul_prefixes
  dns             = local.has_consul ? null : { zone_id = aws_route53_zone.private.zone_id, name = local.core_name }
  redis           = one(module.redis[*].redis)
}

# The way to the game server, where its VPC is given.
resource "aws_vpc_peering_connection" "origin" {
  count = var.origin.network == null ? 0 : 1

  vpc_id      = module.core_network.vpc_id
  peer_vpc_id = var.origin.network.vpc_id
  auto_accept = true

  tags = { Name = "${var.name}-origin" }
}

resource "aws_route" "to_origin" {
  count = var.origin.network == null ? 0 : 1 + var.core.zones

  route_table_id            = module.core_network.route_tables[count.index]
  destination_cidr_block    = var.origin.network.prefix
  vpc_peering_connection_id = aws_vpc_peering_connection.origin[0].id
}

resource "aws_route" "from_origin" {
  count = var.origin.network == null ? 0 : length(var.origin.network.route_tables)

  route_table_id            = var.origin.network.route_tables[count.index]
  destination_cidr_block    = var.core.prefix
  vpc_peering_connection_id = aws_vpc_peering_connection.origin[0].id
}

module "steering" {
  source = "./modules/steering"
  count  = var.steering == null ? 0 : 1

  fleet    = var.name
  steering = var.steering
  entries  = { for region, each in local.edge_regions : region => each.entry }
}
