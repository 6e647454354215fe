# A small Consul cluster: who is alive, and where. Servers have fixed addresses, gossip is encrypted, and nobody is
# answered without a certificate.

data "aws_region" "here" {}
data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  name       = "${var.name}-consul"
  host       = "consul.${var.zone.name}"
  subnets    = var.network.private_subnets
  addresses  = [for index in range(var.consul.servers) : cidrhost(local.subnets[index % length(local.subnets)].prefix, 10 + index)]
  parameters = "/tidegate/${var.name}/consul"

  configuration = {
    server             = true
    bootstrap_expect   = var.consul.servers
    data_dir           = "/var/lib/consul"
    bind_addr          = "{{ GetPrivateIP }}"
    client_addr        = "0.0.0.0"
    retry_join         = local.addresses
    ports              = { https = 8501, http = -1, dns = -1, grpc = -1 }
    ca_file            = "/etc/consul.d/authority.pem"
    cert_file          = "/etc/consul.d/certificate.pem"
    key_file           = "/etc/consul.d/key.pem"
    verify_incoming    = true
    verify_outgoing    = true
    leave_on_terminate = true
    autopilot          = { cleanup_dead_servers = true }
  }

  instance = {
    AWS_DEFAULT_REGION = data.aws_region.here.name
    PARAMETERS         = local.parameters
    GOSSIP_SECRET      = aws_secretsmanager_secret.gossip.name
    RELEASE            = "s3://${var.consul.release.bucket}/${var.consul.release.key}"
    RELEASE_SHA256     = var.consul.release.sha256
  }

  files = {
    "/etc/consul.d/consul.json"          = { mode = "0644", content = jsonencode(local.configuration) }
    "/etc/consul.d/instance.env"         = { mode = "0644", content = join("", [for key, value in local.instance : "${key}='${value}'\n"]) }
    "/etc/systemd/system/consul.service" = { mode = "0644", content = file("${path.module}/files/consul.service") }
    "/usr/lib/sysusers.d/consul.conf"    = { mode = "0644", content = "u consul - \"Consul\" /var/lib/consul\n" }
    "/usr/local/lib/consul/boot"         = { mode = "0755", content = file("${path.module}/files/boot") }
  }

  user_data = base64gzip("#cloud-config\n${jsonencode({
    write_files = [for path, file in local.files : { path = path, permissions = file.mode, content = file.content }]
    runcmd      = [["/usr/local/lib/consul/boot"]]
  })}\n")
}

resource "aws_secretsmanager_secret" "gossip" {
  name                    = "${local.name}-gossip"
  description             = "Gossip key of ${local.name}; its value is not Terraform's"
  recovery_window_in_days = 7
}

resource "aws_instance" "server" {
  count = var.consul.servers

  ami                    = var.image
  instance_type          = var.consul.instance_type
  subnet_id              = local.subnets[count.index % length(local.subnets)].id
  private_ip             = local.addresses[count.index]
  vpc_security_group_ids = [aws_security_group.server.id]
  iam_instance_profile   = aws_iam_instance_profile.server.name
  user_data_base64       = local.user_data

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    volume_size = var.consul.disk_gibibytes
  }

  tags = { Name = "${local.name}-${count.index + 1}", tidegate-fleet = var.name }

  # A newer image is taken one server at a time: terraform apply -replace='…server[0]'.
  lifecycle {
    ignore_changes = [ami]
  }
}

resource "aws_route53_record" "servers" {
  zone_id = var.zone.id
  name    = local.host
  type    = "A"
  ttl     = 30
  records = local.addresses
}

resource "aws_security_group" "server" {
  name        = local.name
  description = "Consul servers of ${var.name}"
  vpc_id      = var.network.vpc_id

  tags = { Name = local.name }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.clients

  security_group_id = aws_security_group.server.id
  description       = "Relays: ${each.key}"
  ip_protocol       = "tcp"
  from_port         = 8501
  to_port           = 8501
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "servers" {
  for_each = toset(["tcp", "udp"])

  security_group_id            = aws_security_group.server.id
  description                  = "Servers among themselves, ${each.key}"
  ip_protocol                  = each.key
  from_port                    = 8300
  to_port                      = 8302
  referenced_security_group_id = aws_security_group.server.id
}

resource "aws_vpc_security_group_egress_rule" "servers" {
  for_each = toset(["tcp", "udp"])

  security_group_id            = aws_security_group.server.id
  description                  = "Servers among themselves, ${each.key}"
  ip_protocol                  = each.key
  from_port                    = 8300
  to_port                      = 8302
  referenced_security_group_id = aws_security_group.server.id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.server.id
  description       = "AWS by HTTPS, ${each.key}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

resource "aws_iam_role" "server" {
  name = local.name

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "server" {
  name = "consul"
  role = aws_iam_role.server.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Release"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:${data.aws_partition.here.partition}:s3:::${var.consul.release.bucket}/${var.consul.release.key}"]
      },
      {
        Sid      = "Certificate"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = ["arn:${data.aws_partition.here.partition}:ssm:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}:parameter${local.parameters}/server/*"]
      },
      {
        Sid      = "GossipKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [aws_secretsmanager_secret.gossip.arn]
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.server.name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"
}

resource "aws_iam_instance_profile" "server" {
  name = local.name
  role = aws_iam_role.server.name
}
