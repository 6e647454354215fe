variable "origin" {
  description = "The game server (see the root module)."
  type        = any
  default     = { address = "198.51.100.7:1973" }
}

variable "release" {
  description = "The wheel of Tidegate in S3, and its SHA-256."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "image" {
  description = "AMI of the relays (see the root module)."
  type        = string
  default     = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}
