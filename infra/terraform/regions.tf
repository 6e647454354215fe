# The edges of each region of `edges`, by the provider of its AWS region. One block for each AWS region, all alike:
# Terraform wants to know before anything else which provider a module uses, so that cannot come from a map.

module "edge_ap_northeast_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ap-northeast-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ap_northeast_1, aws.core = aws }
}

module "edge_ap_northeast_2" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ap-northeast-2" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ap_northeast_2, aws.core = aws }
}

module "edge_ap_northeast_3" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ap-northeast-3" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ap_northeast_3, aws.core = aws }
}

module "edge_ap_south_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ap-south-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ap_south_1, aws.core = aws }
}

module "edge_ap_southeast_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ap-southeast-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ap_southeast_1, aws.core = aws }
}

module "edge_ap_southeast_2" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ap-southeast-2" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ap_southeast_2, aws.core = aws }
}

module "edge_ca_central_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "ca-central-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.ca_central_1, aws.core = aws }
}

module "edge_eu_central_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "eu-central-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.eu_central_1, aws.core = aws }
}

module "edge_eu_north_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "eu-north-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.eu_north_1, aws.core = aws }
}

module "edge_eu_west_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "eu-west-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.eu_west_1, aws.core = aws }
}

module "edge_eu_west_2" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "eu-west-2" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.eu_west_2, aws.core = aws }
}

module "edge_eu_west_3" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "eu-west-3" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.eu_west_3, aws.core = aws }
}

module "edge_sa_east_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "sa-east-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.sa_east_1, aws.core = aws }
}

module "edge_us_east_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "us-east-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.us_east_1, aws.core = aws }
}

module "edge_us_east_2" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "us-east-2" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.us_east_2, aws.core = aws }
}

module "edge_us_west_1" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "us-west-1" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.us_west_1, aws.core = aws }
}

module "edge_us_west_2" {
  source   = "./modules/edge-region"
  for_each = { for region, edge in var.edges : region => edge if edge.region == "us-west-2" }

  fleet        = local.fleet
  region       = each.key
  aws_region   = each.value.region
  edge         = each.value
  core         = local.core_for_edges
  core_network = local.core_network
  zone_id      = aws_route53_zone.private.zone_id
  public_name  = local.public_name

  providers = { aws = aws.us_west_2, aws.core = aws }
}

locals {
  edge_regions = merge(
    module.edge_ap_northeast_1,
    module.edge_ap_northeast_2,
    module.edge_ap_northeast_3,
    module.edge_ap_south_1,
    module.edge_ap_southeast_1,
    module.edge_ap_southeast_2,
    module.edge_ca_central_1,
    module.edge_eu_central_1,
    module.edge_eu_north_1,
    module.edge_eu_west_1,
    module.edge_eu_west_2,
    module.edge_eu_west_3,
    module.edge_sa_east_1,
    module.edge_us_east_1,
    module.edge_us_east_2,
    module.edge_us_west_1,
    module.edge_us_west_2,
  )
}
