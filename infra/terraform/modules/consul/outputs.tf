output "address" {
  description = "Where relays ask, HOST:PORT; the servers' certificate must name the host."
  value       = "${local.host}:8501"
}

output "prefixes" {
  description = "The servers' addresses as prefixes."
  value       = [for address in local.addresses : "${address}/32"]
}

output "instances" {
  description = "Ids of the servers."
  value       = aws_instance.server[*].id
}

output "gossip_secret" {
  description = "Name of the secret for the gossip key, for scripts/make_secret."
  value       = aws_secretsmanager_secret.gossip.name
}
