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

output "user_data" {
  description = "What the servers are told at their first start."
  value       = local.user_data
}
