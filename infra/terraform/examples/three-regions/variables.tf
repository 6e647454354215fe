# The root module explains and checks each of these; here they have values to begin with. `tidegate plan` writes a file
# of `core` and `edges` for as many players as you expect.

variable "name" {
  description = "What the fleet is called."
  type        = string
  default     = "tidegate"
}

variable "game" {
  description = "The game pack and its dialect."
  type        = any
  default     = { name = "pko" }
}

variable "origin" {
  description = "The game server."
  type        = any
}

variable "release" {
  description = "The wheel of Tidegate in S3, and its SHA-256."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "ports" {
  description = "Ports of the relays."
  type        = any
  default     = { probe = 1975 }
}

variable "core" {
  description = "The cores."
  type        = any
  default     = { name = "eu", instances = 2 }
}

variable "edges" {
  description = "The regions of edges by name; a new region is one more entry."
  type        = any
  default = {
    eu   = { region = "eu-central-1", prefix = "10.10.0.0/20", min = 2, max = 6 }
    us   = { region = "us-east-1", prefix = "10.20.0.0/20", min = 1, max = 4 }
    asia = { region = "ap-southeast-1", prefix = "10.30.0.0/20", min = 1, max = 4, entry = "addresses" }
  }
}

variable "redis" {
  description = "What the cores share."
  type        = any
  default     = {}
}

variable "consul" {
  description = "How edges find cores."
  type        = any
}

variable "steering" {
  description = "One name for all regions."
  type        = any
  default     = null
}

variable "image" {
  description = "AMI of the relays."
  type        = string
  default     = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}
