output "name" {
  description = "The name players connect to."
  value       = var.steering.name
}

output "accelerator_addresses" {
  description = "The fixed addresses of the accelerator, none without one."
  value       = flatten([for each in aws_globalaccelerator_accelerator.this : [for set in each.ip_sets : set.ip_addresses]])
}
