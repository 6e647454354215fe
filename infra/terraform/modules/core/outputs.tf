output "group" {
  description = "Name of the autoscaling group."
  value       = aws_autoscaling_group.core.name
}

output "security_group" {
  description = "Security group of the cores."
  value       = aws_security_group.core.id
}

output "settings" {
  description = "The settings file of the cores."
  value       = module.cloud_init.settings
}
