output "user_data" {
  description = "The cloud-config; it is YAML, and JSON as well after its first line."
  value       = local.user_data

  precondition {
    condition     = length(local.user_data) <= 16384
    error_message = "The user data has ${length(local.user_data)} bytes, and EC2 takes 16384: shorten the settings."
  }
}

output "settings" {
  description = "The settings file as it is before the instance fills in its name and addresses."
  value       = local.settings
}
