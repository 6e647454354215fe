output "players_connect_to" {
  description = "Where players connect."
  value       = module.fleet.players_connect_to
}

output "regions" {
  description = "What was made in each region."
  value       = module.fleet.regions
}

output "core" {
  description = "The cores."
  value       = module.fleet.core
}

output "settings" {
  description = "The settings files of cores and edges."
  value       = module.fleet.settings
}

output "certificates_to_issue" {
  description = "How many certificates each region needs."
  value       = module.fleet.certificates_to_issue
}

output "next_steps" {
  description = "What is to be run after the first apply."
  value       = module.fleet.next_steps
}
