# The emulator of the other tests has no Global Accelerator, so this is what holds it.

mock_provider "aws" {}

variables {
  fleet    = "fleet"
  steering = { zone_id = "Z1", name = "play.example.com", has_accelerator = true, ttl_seconds = 30 }
  entries = {
    eu   = { aws_region = "eu-central-1", kind = "balancer", dns_name = "eu.elb.example", zone_id = "Z2", arn = "arn:aws:lb", addresses = [], eip_ids = [], port = 1973 }
    asia = { aws_region = "ap-southeast-1", kind = "addresses", dns_name = null, zone_id = null, arn = null, addresses = ["192.0.2.1", "192.0.2.2"], eip_ids = ["eipalloc-1", "eipalloc-2"], port = 1973 }
  }
}

run "an_accelerator_before_all_regions" {
  command = plan

  assert {
    condition     = join(" ", keys(aws_globalaccelerator_endpoint_group.region)) == "asia eu"
    error_message = "Every region is behind the accelerator."
  }

  assert {
    condition     = length(aws_globalaccelerator_endpoint_group.region["asia"].endpoint_configuration) == 2
    error_message = "Every address is behind the accelerator."
  }

  assert {
    condition     = join(" ", keys(aws_route53_record.balancer)) == "eu-A eu-AAAA" && join(" ", keys(aws_route53_record.addresses)) == "asia" && length(aws_route53_record.address) == 2
    error_message = "Every region is under the one name."
  }
}

run "none_unless_it_is_wanted" {
  command = plan

  variables {
    steering = { zone_id = "Z1", name = "play.example.com", has_accelerator = false, ttl_seconds = 30 }
  }

  assert {
    condition     = length(aws_globalaccelerator_accelerator.this) == 0 && length(aws_globalaccelerator_endpoint_group.region) == 0
    error_message = "An accelerator costs money: there is none unless it is wanted."
  }
}
