# The edges of one region: machines that come and go, behind one lasting entry.

data "aws_region" "here" {}

locals {
  name         = "${var.fleet.name}-edge-${var.region}"
  has_balancer = var.edge.entry == "balancer"
  hook         = "drain"
  most         = var.edge.max + max(1, ceil(var.edge.max / 2)) # what a refresh may bring it to (max_healthy_percentage)
  subnets      = var.network.public_subnets
  public       = local.has_balancer ? "${coalesce(var.public_name, one(aws_lb.entry[*].dns_name))}:${var.fleet.ports.game}" : "@PUBLIC@:${var.fleet.ports.game}"

  settings = {
    edge = {
      listen        = "0.0.0.0:${var.fleet.ports.game}"
      name          = "@NAME@"
      region        = var.region
      core          = length(var.core.addresses) == 0 ? null : var.core.addresses
      game          = var.fleet.game.name
      public        = local.public
      probe         = var.fleet.ports.probe == null ? null : "0.0.0.0:${var.fleet.ports.probe}"
      max_sessions  = var.edge.max_sessions
      workers       = var.edge.workers
      drain_seconds = var.edge.drain_seconds
      policy_cache  = "/var/lib/tidegate/policy"
      proxy_from    = local.has_balancer ? local.subnets[*].prefix : null
    }
    discovery = merge(var.core.discovery, { advertise = "@ADDRESS@" }, var.core.has_consul ? { cache_file = "/var/lib/tidegate/found" } : {})
    http      = { listen = "0.0.0.0:${var.fleet.ports.http}" }
    tls = {
      certificate_file = "/etc/tidegate/certificates/certificate.pem"
      key_file         = "/etc/tidegate/certificates/key.pem"
      authority_file   = "/etc/tidegate/certificates/authority.pem"
      revoked_file     = "/etc/tidegate/certificates/revoked.pem"
    }
    log = { format = "json", stats_seconds = 60 }
  }
}

module "cloud_init" {
  source = "../cloud-init"

  role                   = "edge"
  fleet                  = var.fleet.name
  region                 = var.region
  aws_region             = data.aws_region.here.name
  release                = var.fleet.release
  settings               = local.settings
  drain_seconds          = var.edge.drain_seconds
  workers                = var.edge.workers
  http_port              = var.fleet.ports.http
  lifecycle_hook         = local.hook
  group                  = local.name
  has_elastic_address    = !local.has_balancer
  has_consul_certificate = var.core.has_consul
}

resource "aws_launch_template" "edge" {
  name                   = local.name
  image_id               = var.fleet.image
  instance_type          = var.edge.instance_type
  update_default_version = true
  user_data              = module.cloud_init.user_data

  iam_instance_profile {
    arn = aws_iam_instance_profile.edge.arn
  }

  # IMDSv2 only, and not from behind the machine's own network.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted             = true
      volume_type           = "gp3"
      volume_size           = var.edge.disk_gibibytes
      delete_on_termination = true
    }
  }

  # A public address to reach AWS by. With a balancer nothing is let in by it.
  network_interfaces {
    associate_public_ip_address = true
    security_groups             = [aws_security_group.edge.id]
    delete_on_termination       = true
  }

  monitoring {
    enabled = true
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.value
      tags          = { Name = local.name, tidegate-fleet = var.fleet.name, tidegate-region = var.region }
    }
  }
}

resource "aws_autoscaling_group" "edge" {
  name                      = local.name
  min_size                  = var.edge.min
  max_size                  = var.edge.max
  vpc_zone_identifier       = local.subnets[*].id
  target_group_arns         = concat(aws_lb_target_group.game[*].arn, aws_lb_target_group.probe[*].arn)
  health_check_type         = local.has_balancer ? "ELB" : "EC2"
  health_check_grace_period = 600
  default_instance_warmup   = 180
  termination_policies      = ["OldestLaunchTemplate", "OldestInstance"]
  wait_for_capacity_timeout = "0" # an instance waits for its certificate, which may come later than this

  launch_template {
    id      = aws_launch_template.edge.id
    version = aws_launch_template.edge.latest_version
  }

  # The hook stays as it is made with the group, so it does not depend on how long a drain may be: an instance that
  # drains says so every two minutes (modules/cloud-init/scripts/lifecycle).
  initial_lifecycle_hook {
    name                 = local.hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = 600
    default_result       = "CONTINUE"
  }

  # A new release or other settings: new instances first, then old ones drain.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 150
      instance_warmup        = 180
    }
  }

  tag {
    key                 = "Name"
    value               = local.name
    propagate_at_launch = true
  }

  # A group that goes waits for its instances, which drain.
  timeouts {
    delete = "150m"
  }
}

resource "aws_autoscaling_policy" "sessions" {
  name                   = "${local.name}-sessions"
  autoscaling_group_name = aws_autoscaling_group.edge.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.edge.sessions_per_instance

    customized_metric_specification {
      namespace   = "Tidegate"
      metric_name = "Sessions"
      statistic   = "Average"
      unit        = "Count"

      metric_dimension {
        name  = "Fleet"
        value = var.fleet.name
      }
      metric_dimension {
        name  = "Role"
        value = "edge"
      }
      metric_dimension {
        name  = "Region"
        value = var.region
      }
    }
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "${local.name}-cpu"
  autoscaling_group_name = aws_autoscaling_group.edge.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.edge.cpu_percent

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
