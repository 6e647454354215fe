# Each wrong input is refused by the variable it is in, before anything is planned. The variables stand alone here (a link
# to the real ones), so no provider is started, and forty runs take seconds.

variables {
  origin  = { address = "198.51.100.7:1973" }
  release = { bucket = "releases", key = "tidegate-0.1.0-py3-none-any.whl", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  edges   = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20" } }
}

run "a_name_with_capitals_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    name = "Tidegate"
  }

  expect_failures = [var.name]
}

run "a_name_too_long_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    name = "a-name-that-is-too-long"
  }

  expect_failures = [var.name]
}

run "a_game_that_does_not_exist_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    game = { name = "chess" }
  }

  expect_failures = [var.game]
}

run "a_dialect_with_quotes_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    game = { name = "pko", dialect = "a'b" }
  }

  expect_failures = [var.game]
}

run "an_origin_that_is_no_address_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "the game server" }
  }

  expect_failures = [var.origin]
}

run "an_origin_without_a_port_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "198.51.100.7" }
  }

  expect_failures = [var.origin]
}

run "an_origin_that_is_almost_an_address_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "10.0.0.256:1973" }
  }

  expect_failures = [var.origin]
}

run "an_origin_with_a_port_outside_its_range_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "198.51.100.7:70000" }
  }

  expect_failures = [var.origin]
}

run "an_origin_by_name_without_prefixes_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "game.example.com:1973" }
  }

  expect_failures = [var.origin]
}

run "an_origin_that_may_be_the_whole_world_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "game.example.com:1973", prefixes = ["0.0.0.0/0"] }
  }

  expect_failures = [var.origin]
}

run "a_release_that_is_no_wheel_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    release = { bucket = "releases", key = "tidegate.zip", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  }

  expect_failures = [var.release]
}

run "a_release_without_a_checksum_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    release = { bucket = "releases", key = "t.whl", sha256 = "abc" }
  }

  expect_failures = [var.release]
}

run "a_port_too_high_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ports = { game = 65536 }
  }

  expect_failures = [var.ports]
}

run "a_port_too_low_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ports = { game = 80 }
  }

  expect_failures = [var.ports]
}

run "a_port_that_is_no_whole_number_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ports = { probe = 1975.5 }
  }

  expect_failures = [var.ports]
}

run "a_port_twice_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    ports = { game = 7400 }
  }

  expect_failures = [var.ports]
}

run "no_cores_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core = { instances = 0 }
  }

  expect_failures = [var.core]
}

run "more_cores_than_an_edge_knows_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core = { instances = 8 }
  }

  expect_failures = [var.core]
}

run "no_place_for_a_spare_core_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core = { spare = 0 }
  }

  expect_failures = [var.core]
}

run "a_core_prefix_that_is_none_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core = { prefix = "10.200.0.0" }
  }

  expect_failures = [var.core]
}

run "operators_everywhere_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core = { operators = ["0.0.0.0/0"] }
  }

  expect_failures = [var.core]
}

run "no_edges_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = {}
  }

  expect_failures = [var.edges]
}

run "a_region_twice_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20" }, de = { region = "eu-central-1", prefix = "10.20.0.0/20" } }
  }

  expect_failures = [var.edges]
}

run "a_region_that_aws_does_not_have_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-9", prefix = "10.10.0.0/20" } }
  }

  expect_failures = [var.edges]
}

run "a_name_of_a_region_with_dashes_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu-central = { region = "eu-central-1", prefix = "10.10.0.0/20" } }
  }

  expect_failures = [var.edges]
}

run "a_prefix_that_overlaps_with_another_region_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/16" }, us = { region = "us-east-1", prefix = "10.10.32.0/20" } }
  }

  expect_failures = [var.edges]
}

run "a_prefix_that_overlaps_with_the_core_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.200.8.0/22" } }
  }

  expect_failures = [var.edges]
}

run "a_prefix_that_overlaps_with_the_game_server_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    origin = { address = "10.10.0.9:1973", network = { vpc_id = "vpc-1", prefix = "10.10.0.0/18", route_tables = [] } }
  }

  expect_failures = [var.edges]
}

run "a_prefix_that_is_none_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10/20" } }
  }

  expect_failures = [var.edges]
}

run "a_prefix_too_small_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/24" } }
  }

  expect_failures = [var.edges]
}

run "no_capacity_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20", max = 0, min = 0 } }
  }

  expect_failures = [var.edges]
}

run "more_at_least_than_at_most_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20", max = 2, min = 3 } }
  }

  expect_failures = [var.edges]
}

run "no_players_to_an_edge_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20", sessions_per_instance = 0 } }
  }

  expect_failures = [var.edges]
}

run "an_entry_that_is_none_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    edges = { eu = { region = "eu-central-1", prefix = "10.10.0.0/20", entry = "door" } }
  }

  expect_failures = [var.edges]
}

run "several_cores_without_a_redis_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core   = { instances = 2 }
    consul = { address = "consul.example.com:8501", prefixes = ["10.0.3.0/24"] }
  }

  expect_failures = [var.redis]
}

run "several_cores_without_consul_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    core  = { instances = 2 }
    redis = {}
  }

  expect_failures = [var.consul]
}

run "two_consuls_at_once_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    consul = { address = "10.0.3.1:8501", prefixes = ["10.0.3.0/24"], release = { bucket = "b", key = "k", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" } }
  }

  expect_failures = [var.consul]
}

run "an_even_number_of_consul_servers_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    consul = { servers = 4, address = "10.0.3.1:8501", prefixes = ["10.0.3.0/24"] }
  }

  expect_failures = [var.consul]
}

run "a_name_to_steer_by_that_is_none_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    steering = { zone_id = "Z1", name = "play" }
  }

  expect_failures = [var.steering]
}

run "an_image_that_is_none_is_refused" {
  command = plan

  module {
    source = "./tests/inputs"
  }

  variables {
    image = "debian-12"
  }

  expect_failures = [var.image]
}
