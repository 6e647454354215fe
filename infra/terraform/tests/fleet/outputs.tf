output "players_connect_to" {
  value = module.fleet.players_connect_to
}

output "regions" {
  value = module.fleet.regions
}

output "core" {
  value = module.fleet.core
}

output "settings" {
  value = module.fleet.settings
}

output "certificates_to_issue" {
  value = module.fleet.certificates_to_issue
}

output "next_steps" {
  value = module.fleet.next_steps
}
