output "players_connect_to" {
  description = "Where players connect: the one name, and by region the balancer's name or the elastic addresses."
  value = {
    name    = local.public_name
    port    = var.ports.game
    regions = { for region, each in local.edge_regions : region => each.entry.kind == "balancer" ? [each.entry.dns_name] : each.entry.addresses }
  }
}

output "regions" {
  description = "By region, what was made: AWS region, VPC, autoscaling group, security groups, peering."
  value       = { for region, each in local.edge_regions : region => each.region }
}

output "core" {
  description = "The cores: VPC, autoscaling group, security group, and the private name or Consul that edges find them by."
  value = {
    vpc_id         = module.core_network.vpc_id
    group          = module.core.group
    security_group = module.core.security_group
    found_by       = local.has_consul ? "consul at ${local.consul_address}" : local.core_name
  }
}

output "settings" {
  description = "The settings files of cores and of each region's edges, with @NAME@, @ADDRESS@ and @PUBLIC@ to be filled in by the instance."
  value       = merge({ core = module.core.settings }, { for region, each in local.edge_regions : region => each.settings })
}

output "certificates_to_issue" {
  description = "How many certificates each region needs: one for each instance there may be, and one for one that is being replaced."
  value = merge(
    { core = { role = "core", region = var.core.name, aws_region = data.aws_region.core.name, count = var.core.instances + var.core.spare + 1 } },
    { for name, edge in var.edges : name => { role = "edge", region = name, aws_region = edge.region, count = edge.max + max(1, ceil(edge.max / 2)) } },
  )
}

output "next_steps" {
  description = "What is to be run after the first apply, for secrets that Terraform must not know."
  value = concat(
    flatten([
      for each in concat(
        [{ role = "core", region = var.core.name, aws_region = data.aws_region.core.name }],
        [for name, edge in var.edges : { role = "edge", region = name, aws_region = edge.region }],
      ) : "infra/terraform/scripts/upload_certificates ${var.name} ${each.role} ${each.region} ${each.aws_region} certs/${each.role}-${each.region}-*"
    ]),
    [for each in module.consul : "infra/terraform/scripts/make_secret ${data.aws_region.core.name} ${each.gossip_secret} key"],
    [for each in module.redis : "infra/terraform/scripts/set_redis_token ${data.aws_region.core.name} ${each.replication_group} ${each.redis.secret_name}"],
  )
}
