output "user_data" {
  description = "The cloud-config, compressed and in base64, as EC2 takes it. It is YAML, and JSON as well after its first line."
  value       = local.user_data

  precondition {
    condition     = local.user_data_bytes <= 16384
    error_message = "The user data has ${local.user_data_bytes} bytes, and EC2 takes 16384: shorten the settings."
  }
}

output "settings" {
  description = "The settings file as it is before the instance fills in its name and addresses."
  value       = local.settings
}
