# What an instance is told at its first start. There is no resource here and no secret: names of parameters and secrets
# stand in it, and the instance reads them by its profile.

locals {
  library = "/usr/local/lib/tidegate"
  service = "tidegate-${var.role}"
  systemd = "${path.module}/../../../systemd"

  # JSON's texts, numbers, truths and lists are TOML's as well.
  settings = join("\n", flatten([
    for section, values in var.settings : concat(
      ["[${section}]"],
      [for key, value in values : "${key} = ${jsonencode(value)}" if value != null],
      [""],
    )
  ]))

  # Read by the scripts; every value has been checked to be without quotes.
  instance = {
    ROLE                = var.role
    FLEET               = var.fleet
    REGION              = var.region
    AWS_DEFAULT_REGION  = var.aws_region
    GROUP               = var.group
    HOOK                = var.lifecycle_hook
    RELEASE             = "s3://${var.release.bucket}/${var.release.key}"
    RELEASE_SHA256      = var.release.sha256
    HTTP_PORT           = var.http_port
    WORKERS             = var.workers
    ELASTIC_ADDRESS     = var.has_elastic_address ? "yes" : ""
    REDIS_SECRET        = try(var.redis_secret.name, "")
    REDIS_ADDRESS       = try(var.redis_secret.address, "")
    DNS_ZONE            = try(var.dns.zone_id, "")
    DNS_NAME            = try(var.dns.name, "")
    CONSUL_CERTIFICATES = var.has_consul_certificate ? "yes" : ""
  }

  files = merge(
    {
      "/etc/tidegate/instance" = { mode = "0644", content = join("", [for key, value in local.instance : "${key}='${value}'\n"]) }
      "/etc/tidegate/template" = { mode = "0640", content = local.settings }

      "/etc/systemd/system/${local.service}.service" = { mode = "0644", content = file("${local.systemd}/${local.service}.service") }
      "/usr/lib/sysusers.d/tidegate.conf"            = { mode = "0644", content = file("${local.systemd}/tidegate.sysusers") }
      "/etc/systemd/system/${local.service}.service.d/fleet.conf" = {
        mode    = "0644"
        content = "[Service]\nTimeoutStopSec=${var.drain_seconds + 60}\n"
      }
    },
    { for name in fileset("${path.module}/units", "*") : "/etc/systemd/system/${name}" => {
      mode = "0644", content = file("${path.module}/units/${name}")
    } },
    { for name in fileset("${path.module}/scripts", "*") : "${local.library}/${name}" => {
      mode = "0755", content = file("${path.module}/scripts/${name}")
    } },
  )

  user_data = base64gzip("#cloud-config\n${jsonencode({
    write_files = [for path, file in local.files : { path = path, permissions = file.mode, content = file.content }]
    runcmd      = [["${local.library}/boot"]]
  })}\n")
  user_data_bytes = ceil(length(local.user_data) / 4) * 3
}
