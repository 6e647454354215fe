# What the cores share: a Redis that is encrypted, fails over, and asks for a token.
#
# Terraform makes the secret for the token and never its value: that would be in the state. scripts/set_redis_token draws
# it, puts it there, and gives it to the group.

locals {
  port = 6379
}

resource "aws_secretsmanager_secret" "token" {
  name                    = "${var.name}-redis-token"
  description             = "Token of the Redis ${var.name}; its value is not Terraform's"
  recovery_window_in_days = 7
}

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = "Redis of ${var.name}: cores only"
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name}-redis" }
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  count = length(var.network.private_subnets)

  security_group_id = aws_security_group.redis.id
  description       = "Cores"
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
  cidr_ipv4         = var.network.private_subnets[count.index].prefix
}

resource "aws_elasticache_subnet_group" "redis" {
  name       = var.name
  subnet_ids = var.network.private_subnets[*].id
}

resource "aws_elasticache_replication_group" "redis" {
  replication_group_id       = var.name
  description                = "What the cores of ${var.name} share"
  engine                     = "redis"
  engine_version             = var.redis.engine_version
  node_type                  = var.redis.node_type
  num_cache_clusters         = var.redis.nodes
  automatic_failover_enabled = var.redis.nodes > 1
  multi_az_enabled           = var.redis.nodes > 1
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  port                       = local.port
  subnet_group_name          = aws_elasticache_subnet_group.redis.name
  security_group_ids         = [aws_security_group.redis.id]
  snapshot_retention_limit   = var.redis.snapshot_days
  apply_immediately          = true

  # Set by scripts/set_redis_token.
  lifecycle {
    ignore_changes = [auth_token, auth_token_update_strategy]
  }
}
