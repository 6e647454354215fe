# What comes of good inputs: defaults, the shapes of outputs, and what the emulator of the other tests does not know (Redis,
# Global Accelerator).

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c", "eu-central-1d"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

mock_provider "aws" {
  alias = "us"

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

mock_provider "aws" {
  alias = "asia"

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-1" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c", "ap-southeast-1d"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  origin  = { address = "198.51.100.7:1973" }
  release = { bucket = "releases", key = "tidegate-0.1.0-py3-none-any.whl", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  edges   = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20" } }
}

run "defaults" {
  command = plan

  module {
    source = "./tests/fleet"
  }

  assert {
    condition     = join(" ", [for name, port in var.ports : "${name}=${coalesce(port, 0)}"]) == "admin=7402 game=1973 http=9464 probe=0 tunnel=7400"
    error_message = "The default ports have changed; say so in the changelog."
  }

  assert {
    condition     = output.core.found_by == "core.tidegate.internal"
    error_message = "A lone core is found by its name."
  }

  assert {
    condition     = output.certificates_to_issue.eu.count == 6 && output.certificates_to_issue.core.count == 3
    error_message = "There must be a certificate for each instance there may be, and for those that are replaced."
  }

  assert {
    condition     = join(" ", keys(output.players_connect_to)) == "name port regions" && output.players_connect_to.port == 1973
    error_message = "players_connect_to has another shape."
  }

  assert {
    condition     = join(" ", keys(output.regions.eu)) == "aws_region group peering security_groups vpc_id"
    error_message = "regions has another shape."
  }

  assert {
    condition     = join(" ", keys(output.settings)) == "core eu"
    error_message = "settings has a file for the cores and one for each region."
  }

  assert {
    condition     = length(output.next_steps) == 2
    error_message = "Certificates are uploaded for cores and for one region."
  }
}

run "three_regions_with_redis_consul_and_accelerator" {
  command = plan

  module {
    source = "./tests/fleet"
  }

  variables {
    name = "fleet"
    core = { name = "eu", instances = 2, operators = ["192.0.2.0/24"] }
    edges = {
      eu   = { region = "eu-central-1", prefix = "10.10.0.0/20" }
      us   = { region = "us-east-1", prefix = "10.20.0.0/20", zones = 3 }
      asia = { region = "ap-southeast-1", prefix = "10.30.0.0/20", entry = "addresses" }
    }
    ports    = { probe = 1975 }
    redis    = { nodes = 3 }
    consul   = { address = "10.0.3.1:8501", prefixes = ["10.0.3.0/24"] }
    steering = { zone_id = "Z1", name = "play.example.com", has_accelerator = true }
  }

  assert {
    condition     = output.core.found_by == "consul at 10.0.3.1:8501"
    error_message = "Cores are found by Consul."
  }

  assert {
    condition     = output.players_connect_to.name == "play.example.com"
    error_message = "Players connect to the one name."
  }

  assert {
    condition     = length(output.players_connect_to.regions.asia) == 6
    error_message = "A region with addresses has one for each instance there may be, with those that take over."
  }

  assert {
    condition     = anytrue([for step in output.next_steps : can(regex("set_redis_token eu-central-1", step))])
    error_message = "The Redis's token is set after the first apply."
  }
}
