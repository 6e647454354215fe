output "redis" {
  description = "The token's secret (name and ARN), the primary's HOST:PORT, and the prefixes it is in."
  value = {
    secret_name = aws_secretsmanager_secret.token.name
    secret_arn  = aws_secretsmanager_secret.token.arn
    address     = "${aws_elasticache_replication_group.redis.primary_endpoint_address}:${local.port}"
    port        = local.port
    prefixes    = var.network.private_subnets[*].prefix
  }
}

output "replication_group" {
  description = "Id of the replication group, for scripts/set_redis_token."
  value       = aws_elasticache_replication_group.redis.replication_group_id
}
