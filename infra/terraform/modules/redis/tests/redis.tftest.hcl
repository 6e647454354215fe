# The emulator of the other tests has no replication groups, so this is what holds them.

mock_provider "aws" {}

variables {
  name  = "fleet"
  redis = { node_type = "cache.t4g.small", nodes = 2, engine_version = "7.1", snapshot_days = 7 }
  network = {
    vpc_id          = "vpc-1"
    private_subnets = [{ id = "subnet-1", prefix = "10.200.8.0/23" }, { id = "subnet-2", prefix = "10.200.10.0/23" }]
  }
}

run "a_group_that_fails_over" {
  command = plan

  assert {
    condition = (
      aws_elasticache_replication_group.redis.at_rest_encryption_enabled == "true" &&
      aws_elasticache_replication_group.redis.transit_encryption_enabled &&
      aws_elasticache_replication_group.redis.transit_encryption_mode == "required"
    )
    error_message = "A Redis is encrypted at rest and in transit."
  }

  assert {
    condition     = aws_elasticache_replication_group.redis.automatic_failover_enabled && aws_elasticache_replication_group.redis.multi_az_enabled
    error_message = "Two nodes fail over."
  }

  assert {
    condition     = aws_elasticache_replication_group.redis.auth_token == null
    error_message = "The token must not come through Terraform."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.redis) == 2 && aws_vpc_security_group_ingress_rule.redis[0].cidr_ipv4 == "10.200.8.0/23"
    error_message = "Only the private subnets reach it."
  }
}

run "one_node_does_not" {
  command = plan

  variables {
    redis = { node_type = "cache.t4g.small", nodes = 1, engine_version = "7.1", snapshot_days = 0 }
  }

  assert {
    condition     = !aws_elasticache_replication_group.redis.automatic_failover_enabled
    error_message = "One node has nobody to fail over to."
  }
}
