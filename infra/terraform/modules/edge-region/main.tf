# One region of edges: a network, a private way to the cores' network, and the edges.

data "aws_region" "here" {
  lifecycle {
    postcondition {
      condition     = self.name == var.aws_region
      error_message = "edges.${var.region}.region is ${var.aws_region}, and the provider for it works in ${self.name}: add a provider for ${var.aws_region} to providers.tf and pass it as aws.${replace(var.aws_region, "-", "_")}."
    }
  }
}

locals {
  name = "${var.fleet.name}-edge-${var.region}"
}

module "network" {
  source = "../network"

  name   = local.name
  prefix = var.edge.prefix
  zones  = var.edge.zones

  depends_on = [data.aws_region.here]
}

# The tunnels go through AWS's own network between the regions, not through the world.
resource "aws_vpc_peering_connection" "core" {
  vpc_id      = module.network.vpc_id
  peer_vpc_id = var.core_network.vpc_id
  peer_region = var.core_network.aws_region

  tags = { Name = local.name }
}

resource "aws_vpc_peering_connection_accepter" "core" {
  provider = aws.core

  vpc_peering_connection_id = aws_vpc_peering_connection.core.id
  auto_accept               = true

  tags = { Name = local.name }
}

resource "aws_route" "to_core" {
  route_table_id            = module.network.route_tables[0]
  destination_cidr_block    = var.core_network.prefix
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.core.id
}

resource "aws_route" "from_core" {
  provider = aws.core
  count    = var.core_network.route_table_count

  route_table_id            = var.core_network.route_tables[count.index]
  destination_cidr_block    = var.edge.prefix
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.core.id
}

resource "aws_route53_zone_association" "core" {
  zone_id = var.zone_id
  vpc_id  = module.network.vpc_id
}

module "edge" {
  source = "../edge"

  fleet       = var.fleet
  region      = var.region
  edge        = var.edge
  core        = var.core
  public_name = var.public_name

  network = {
    vpc_id         = module.network.vpc_id
    prefix         = var.edge.prefix
    public_subnets = module.network.public_subnets
  }
}
