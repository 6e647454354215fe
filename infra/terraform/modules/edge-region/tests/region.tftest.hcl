# Edges stand where their entry says, or nowhere: a provider that works elsewhere is found out.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

mock_provider "aws" {
  alias = "core"
}

variables {
  region     = "eu"
  aws_region = "eu-central-1"
  fleet = {
    name    = "fleet"
    game    = { name = "pko", dialect = "" }
    release = { bucket = "releases", key = "t.whl", sha256 = "00" }
    ports   = { game = 1973, tunnel = 7400, admin = 7402, http = 9464, probe = 1975 }
    image   = "ami-00000000"
  }
  edge = {
    prefix                = "10.10.0.0/20", zones = 2, instance_type = "c7i.large", min = 1, max = 2, entry = "balancer"
    sessions_per_instance = 1000, cpu_percent = 60, max_sessions = 2000, workers = 1, drain_seconds = 60, disk_gibibytes = 16
  }
  core = {
    discovery       = { kind = "static" }, addresses = ["core.fleet.internal:7400"]
    tunnel_prefixes = ["10.200.8.0/23"], consul_prefixes = [], has_consul = false
  }
  core_network = {
    vpc_id       = "vpc-1", aws_region = "eu-central-1", prefix = "10.200.0.0/20"
    route_tables = ["rtb-1", "rtb-2", "rtb-3"], route_table_count = 3
  }
  zone_id     = "Z1"
  public_name = null
}

run "a_region_with_its_own_provider" {
  command = plan

  assert {
    condition     = length(aws_route.from_core) == 3
    error_message = "Every route table of the cores has a way back."
  }
}

run "a_region_with_another_s_provider_is_refused" {
  command = plan

  variables {
    aws_region = "sa-east-1"
  }

  expect_failures = [data.aws_region.here]
}
