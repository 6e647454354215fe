# The cores: machines in private subnets, before the game server.

data "aws_region" "here" {}

locals {
  name       = "${var.fleet.name}-core-${var.core.name}"
  hook       = "drain"
  has_consul = length(var.consul_prefixes) > 0

  settings = {
    game = { name = var.fleet.game.name, dialect = var.fleet.game.dialect }
    core = {
      listen        = "0.0.0.0:${var.fleet.ports.tunnel}"
      admin         = length(var.core.operators) == 0 ? null : "0.0.0.0:${var.fleet.ports.admin}"
      origin        = var.origin.address
      name          = "@NAME@"
      region        = var.core.name
      max_sessions  = var.core.max_sessions
      workers       = var.core.workers
      drain_seconds = var.core.drain_seconds
    }
    discovery = merge(var.discovery, { advertise = "@ADDRESS@" }, local.has_consul ? { cache_file = "/var/lib/tidegate/found" } : {})
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

  role                   = "core"
  fleet                  = var.fleet.name
  region                 = var.core.name
  aws_region             = data.aws_region.here.name
  release                = var.fleet.release
  settings               = local.settings
  drain_seconds          = var.core.drain_seconds
  workers                = var.core.workers
  http_port              = var.fleet.ports.http
  lifecycle_hook         = local.hook
  group                  = local.name
  redis_secret           = var.redis == null ? null : { name = var.redis.secret_name, address = var.redis.address }
  dns                    = var.dns
  has_consul_certificate = local.has_consul
}

resource "aws_launch_template" "core" {
  name                   = local.name
  image_id               = var.fleet.image
  instance_type          = var.core.instance_type
  update_default_version = true
  user_data              = module.cloud_init.user_data
  vpc_security_group_ids = [aws_security_group.core.id]

  iam_instance_profile {
    arn = aws_iam_instance_profile.core.arn
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
      volume_size           = var.core.disk_gibibytes
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = { Name = local.name, tidegate-fleet = var.fleet.name, tidegate-region = var.core.name }
    }
  }
}

resource "aws_autoscaling_group" "core" {
  name                      = local.name
  min_size                  = var.core.min
  max_size                  = var.core.max
  vpc_zone_identifier       = var.network.private_subnets[*].id
  health_check_type         = "EC2"
  health_check_grace_period = 600
  default_instance_warmup   = 180
  termination_policies      = ["OldestLaunchTemplate", "OldestInstance"]
  wait_for_capacity_timeout = "0" # an instance waits for its certificate, which may come later than this

  launch_template {
    id      = aws_launch_template.core.id
    version = aws_launch_template.core.latest_version
  }

  # The hook stays as it is made with the group, so it does not depend on how long a drain may be: an instance that
  # drains says so every two minutes (modules/cloud-init/scripts/lifecycle).
  initial_lifecycle_hook {
    name                 = local.hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = 600
    default_result       = "CONTINUE"
  }

  # One at a time: a new core comes, edges find it, then an old one drains. The most there may be at once is one more
  # than there are.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 100 + ceil(100 / var.core.min)
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
