variable "name" {
  description = "What the fleet is called: names of resources, parameters and secrets begin with it."
  type        = string
  default     = "tidegate"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,10}[a-z0-9]$", var.name))
    error_message = "name is \"${var.name}\": write 2 to 12 small letters, digits and dashes, a letter first."
  }
}

variable "game" {
  description = "The game pack and its dialect; an empty dialect is the pack's first."
  type        = object({ name = string, dialect = optional(string, "") })
  default     = { name = "pko" }

  validation {
    condition     = contains(["pko", "echo", "generic", "raw"], var.game.name)
    error_message = "game.name is \"${var.game.name}\", and there is no such game: write pko, echo, generic or raw."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9+._-]{0,64}$", var.game.dialect))
    error_message = "game.dialect is \"${var.game.dialect}\": write a dialect's name, such as classic, or leave it out."
  }
}

variable "origin" {
  description = <<-TEXT
    The game server.
    - address: HOST:PORT as the cores reach it, a name or an IPv4 address.
    - prefixes: what cores may connect to on that port; where the host is an address, that address alone.
    - network: the game server's VPC in the core's region and account, to be joined to the cores': its id, its IPv4
      prefix, and its route tables, which get a way back. Leave it out where there is a way already.
  TEXT
  type = object({
    address  = string
    prefixes = optional(list(string), [])
    network  = optional(object({ vpc_id = string, prefix = string, route_tables = list(string) }))
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:[0-9]{1,5}$", var.origin.address)) && !can(regex("^[0-9.]+:", var.origin.address)) || can(cidrhost("${split(":", var.origin.address)[0]}/32", 0))
    error_message = "origin.address is \"${var.origin.address}\", which is no address: write HOST:PORT, such as 10.0.0.5:1973."
  }

  validation {
    condition     = try(tonumber(split(":", var.origin.address)[1]) >= 1 && tonumber(split(":", var.origin.address)[1]) <= 65535, false)
    error_message = "origin.address is \"${var.origin.address}\": its port must be 1 to 65535, such as 10.0.0.5:1973."
  }

  validation {
    condition     = length(var.origin.prefixes) > 0 || can(cidrhost("${split(":", var.origin.address)[0]}/32", 0))
    error_message = "origin.prefixes is empty, and the host in origin.address is a name: write the prefixes it may stand for, such as [\"10.0.0.0/24\"]."
  }

  validation {
    condition     = alltrue([for prefix in var.origin.prefixes : can(cidrhost(prefix, 0)) && !endswith(prefix, "/0")])
    error_message = "origin.prefixes has ${join(", ", [for prefix in var.origin.prefixes : "\"${prefix}\"" if !can(cidrhost(prefix, 0)) || endswith(prefix, "/0")])}: write IPv4 prefixes longer than /0, such as 10.0.0.0/24."
  }

  validation {
    condition     = try(var.origin.network == null, true) || can(cidrhost(var.origin.network.prefix, 0))
    error_message = "origin.network.prefix is no IPv4 prefix: write that of the game server's VPC, such as 172.31.0.0/16."
  }
}

variable "release" {
  description = "The wheel of Tidegate in S3, in any region, and its SHA-256 (`sha256sum`)."
  type        = object({ bucket = string, key = string, sha256 = string })

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.release.bucket))
    error_message = "release.bucket is \"${var.release.bucket}\": write the name of an S3 bucket."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9/_.+-]+[.]whl$", var.release.key))
    error_message = "release.key is \"${var.release.key}\": write the key of a wheel, such as releases/tidegate-0.1.0-cp311-cp311-linux_x86_64.whl."
  }

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release.sha256))
    error_message = "release.sha256 is \"${var.release.sha256}\": write the 64 hexadecimal digits that sha256sum prints."
  }
}

variable "ports" {
  description = "Where players connect (game), edges attach (tunnel), operators (admin) and monitors (http) ask, and players probe; null answers probes by UDP on the game's port only."
  type = object({
    game   = optional(number, 1973)
    tunnel = optional(number, 7400)
    admin  = optional(number, 7402)
    http   = optional(number, 9464)
    probe  = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for port in values(var.ports) : port == null || try(port >= 1024 && port <= 65535 && floor(port) == port, false)])
    error_message = "ports.${join(", ports.", [for name, port in var.ports : "${name} is ${port}" if port != null && !try(port >= 1024 && port <= 65535 && floor(port) == port, false)])}: write whole numbers from 1024 to 65535 (the relays run without the right to lower ones)."
  }

  validation {
    condition     = length(distinct([for port in values(var.ports) : port if port != null])) == length([for port in values(var.ports) : port if port != null])
    error_message = "ports has one port twice (${join(", ", [for name, port in var.ports : "${name} ${port}" if port != null])}): give each its own."
  }
}

variable "core" {
  description = <<-TEXT
    The cores, all in the region of the provider `aws`.
    - name: what the region is called in settings and certificates.
    - prefix: IPv4 prefix of their network, /16 to /22; it must not overlap with any other.
    - zones: availability zones that are used, 1 to 4. nat_gateways: `one`, or one for each of the `zones`.
    - instance_type, instances (how many there are), spare (how many more there may be while one is replaced), workers.
    - max_sessions: players one core takes. drain_seconds: how long they may go on when it is replaced.
    - operators: IPv4 prefixes that reach the admin port. monitors: those that reach the HTTP port.
  TEXT
  type = object({
    name           = optional(string, "core")
    prefix         = optional(string, "10.200.0.0/20")
    zones          = optional(number, 2)
    nat_gateways   = optional(string, "one")
    instance_type  = optional(string, "c7i.large")
    instances      = optional(number, 1)
    spare          = optional(number, 1)
    workers        = optional(number, 1)
    max_sessions   = optional(number, 20000)
    drain_seconds  = optional(number, 600)
    disk_gibibytes = optional(number, 16)
    operators      = optional(list(string), [])
    monitors       = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,11}$", var.core.name))
    error_message = "core.name is \"${var.core.name}\": write 1 to 12 small letters and digits, a letter first."
  }

  validation {
    condition     = can(cidrhost(var.core.prefix, 0)) && try(tonumber(split("/", var.core.prefix)[1]) >= 16 && tonumber(split("/", var.core.prefix)[1]) <= 22, false)
    error_message = "core.prefix is \"${var.core.prefix}\": write an IPv4 prefix from /16 to /22, such as 10.200.0.0/20."
  }

  validation {
    condition     = contains([1, 2, 3, 4], var.core.zones)
    error_message = "core.zones is ${var.core.zones}: write 1 to 4."
  }

  validation {
    condition     = contains(["one", "zones"], var.core.nat_gateways)
    error_message = "core.nat_gateways is \"${var.core.nat_gateways}\": write one or zones."
  }

  validation {
    condition     = var.core.instances >= 1 && var.core.instances <= 7 && floor(var.core.instances) == var.core.instances
    error_message = "core.instances is ${var.core.instances}: without a core nobody plays, and an edge knows at most 8, a spare one with them; write 1 to 7."
  }

  validation {
    condition     = var.core.spare >= 1 && var.core.instances + var.core.spare <= 8 && floor(var.core.spare) == var.core.spare
    error_message = "core.spare is ${var.core.spare}: write at least 1, the place of a core that takes over from one that drains, and at most 8 with core.instances."
  }

  validation {
    condition     = var.core.workers >= 1 && var.core.workers <= 64 && floor(var.core.workers) == var.core.workers
    error_message = "core.workers is ${var.core.workers}: write 1 to 64."
  }

  validation {
    condition     = var.core.max_sessions >= 1 && var.core.max_sessions <= 1000000
    error_message = "core.max_sessions is ${var.core.max_sessions}: write 1 to 1000000 players."
  }

  validation {
    condition     = var.core.drain_seconds >= 0 && var.core.drain_seconds <= 7000
    error_message = "core.drain_seconds is ${var.core.drain_seconds}: write 0 to 7000; Terraform waits 150 minutes for a group to end, and no longer."
  }

  validation {
    condition     = alltrue([for prefix in concat(var.core.operators, var.core.monitors) : can(cidrhost(prefix, 0)) && !endswith(prefix, "/0")])
    error_message = "core.operators or core.monitors has ${join(", ", [for prefix in concat(var.core.operators, var.core.monitors) : "\"${prefix}\"" if !can(cidrhost(prefix, 0)) || endswith(prefix, "/0")])}: write IPv4 prefixes longer than /0, such as 192.0.2.0/24; the whole world is let in nowhere but at the game's port."
  }
}

variable "edges" {
  description = <<-TEXT
    The regions of edges by name; a new region is one more entry.
    - region: the AWS region. prefix: IPv4 prefix of its network, /16 to /22; none may overlap with another.
    - zones: availability zones that are used, 1 to 4.
    - entry: `balancer` (one network load balancer) or `addresses` (an elastic address for each instance).
    - instance_type, min and max instances, workers.
    - sessions_per_instance and cpu_percent: what the number of instances follows.
    - max_sessions: players one edge takes. drain_seconds: how long they may go on when an edge ends.
  TEXT
  type = map(object({
    region                = string
    prefix                = string
    zones                 = optional(number, 2)
    entry                 = optional(string, "balancer")
    instance_type         = optional(string, "c7i.large")
    min                   = optional(number, 1)
    max                   = optional(number, 4)
    workers               = optional(number, 1)
    sessions_per_instance = optional(number, 2000)
    cpu_percent           = optional(number, 60)
    max_sessions          = optional(number, 10000)
    drain_seconds         = optional(number, 600)
    disk_gibibytes        = optional(number, 16)
  }))

  validation {
    condition     = length(var.edges) >= 1
    error_message = "edges is empty: write at least one region, such as { eu = { region = \"eu-central-1\", prefix = \"10.10.0.0/20\" } }."
  }

  validation {
    condition     = alltrue([for name in keys(var.edges) : can(regex("^[a-z][a-z0-9]{0,11}$", name))])
    error_message = "edges has the name${join(",", [for name in keys(var.edges) : " \"${name}\"" if !can(regex("^[a-z][a-z0-9]{0,11}$", name))])}: write 1 to 12 small letters and digits, a letter first."
  }

  validation {
    condition = alltrue([for edge in values(var.edges) : contains([
      "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1",
      "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    ], edge.region)])
    error_message = "edges has the AWS region${join(",", [for name, edge in var.edges : " ${name} = \"${edge.region}\""])}: write one of those in versions.tf, such as eu-central-1; others need a provider, a block in regions.tf and a word in this list."
  }

  validation {
    condition     = length(distinct(values(var.edges)[*].region)) == length(var.edges)
    error_message = "edges has one AWS region twice: ${join(", ", [for name, edge in var.edges : "${name} is ${edge.region}" if length([for other in values(var.edges) : 1 if other.region == edge.region]) > 1])}. Write each region once, with more instances."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : can(cidrhost(edge.prefix, 0)) && try(tonumber(split("/", edge.prefix)[1]) >= 16 && tonumber(split("/", edge.prefix)[1]) <= 22, false)])
    error_message = "edges has a prefix that is none: ${join(", ", [for name, edge in var.edges : "${name}.prefix is \"${edge.prefix}\""])}. Write IPv4 prefixes from /16 to /22, such as 10.10.0.0/20."
  }

  # Two prefixes overlap if they are the same as far as the shorter one goes.
  validation {
    condition = alltrue(flatten([
      for name, edge in var.edges : [
        for other, prefix in merge({ for each, one in var.edges : "edges.${each}" => one.prefix }, { core = var.core.prefix }, try({ "origin.network" = var.origin.network.prefix }, {})) :
        try(
          cidrhost("${split("/", edge.prefix)[0]}/${min(split("/", edge.prefix)[1], split("/", prefix)[1])}", 0) !=
          cidrhost("${split("/", prefix)[0]}/${min(split("/", edge.prefix)[1], split("/", prefix)[1])}", 0),
          true,
        ) if other != "edges.${name}"
      ]
    ]))
    error_message = "edges has a prefix that overlaps with another: ${join(", ", distinct(flatten([
      for name, edge in var.edges : [
        for other, prefix in merge({ for each, one in var.edges : "edges.${each}" => one.prefix }, { core = var.core.prefix }, try({ "origin.network" = var.origin.network.prefix }, {})) :
        "edges.${name}.prefix ${edge.prefix} and ${other}.prefix ${prefix}" if other != "edges.${name}" && try(
          cidrhost("${split("/", edge.prefix)[0]}/${min(split("/", edge.prefix)[1], split("/", prefix)[1])}", 0) ==
          cidrhost("${split("/", prefix)[0]}/${min(split("/", edge.prefix)[1], split("/", prefix)[1])}", 0),
          false,
        )
      ]
    ])))}. The networks are joined: give each a prefix of its own."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : contains([1, 2, 3, 4], edge.zones)])
    error_message = "edges has zones of ${join(", ", [for name, edge in var.edges : "${edge.zones} in ${name}"])}: write 1 to 4."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : contains(["balancer", "addresses"], edge.entry)])
    error_message = "edges has an entry that is none: ${join(", ", [for name, edge in var.edges : "${name}.entry is \"${edge.entry}\""])}. Write balancer or addresses."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : edge.min >= 1 && edge.max >= edge.min && floor(edge.min) == edge.min && floor(edge.max) == edge.max])
    error_message = "edges has no capacity: ${join(", ", [for name, edge in var.edges : "${name} has min ${edge.min} and max ${edge.max}"])}. Write a min of at least 1 and a max of at least min; a region without edges is left out."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : edge.sessions_per_instance >= 1 && edge.sessions_per_instance <= edge.max_sessions && edge.max_sessions <= 1000000])
    error_message = "edges has sessions_per_instance out of range: ${join(", ", [for name, edge in var.edges : "${name} aims at ${edge.sessions_per_instance} of ${edge.max_sessions}"])}. Write 1 to max_sessions, which is at most 1000000."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : edge.cpu_percent >= 10 && edge.cpu_percent <= 90])
    error_message = "edges has cpu_percent of ${join(", ", [for name, edge in var.edges : "${edge.cpu_percent} in ${name}"])}: write 10 to 90."
  }

  validation {
    condition     = alltrue([for edge in values(var.edges) : edge.workers >= 1 && edge.workers <= 64 && edge.drain_seconds >= 0 && edge.drain_seconds <= 7000 && edge.disk_gibibytes >= 8])
    error_message = "edges has workers, drain_seconds or disk_gibibytes out of range: write 1 to 64 workers, 0 to 7000 seconds of drain (Terraform waits 150 minutes for a group to end, and no longer), and at least 8 GiB."
  }
}

variable "redis" {
  description = "What the cores share, as an ElastiCache group; null has none, and each core remembers for itself."
  type = object({
    node_type      = optional(string, "cache.t4g.small")
    nodes          = optional(number, 2)
    engine_version = optional(string, "7.1")
    snapshot_days  = optional(number, 7)
  })
  default = null

  validation {
    condition     = var.redis == null || try(var.redis.nodes >= 1 && var.redis.nodes <= 6, false)
    error_message = "redis.nodes is ${try(var.redis.nodes, 0)}: write 1 to 6; 2 and more fail over."
  }

  validation {
    condition     = var.redis != null || var.core.instances == 1
    error_message = "redis is null, and core.instances is ${var.core.instances}: several cores share what they remember; write redis = {}."
  }
}

variable "consul" {
  description = <<-TEXT
    How edges find cores; null is for one core, which edges find by a private name.
    - address: HOST:PORT of a cluster there is already, with `prefixes` it may stand for; or
    - release: a zip of Consul in S3 and its SHA-256, of which `servers` (3 or 5) are made in the core's network.
  TEXT
  type = object({
    address        = optional(string)
    prefixes       = optional(list(string), [])
    release        = optional(object({ bucket = string, key = string, sha256 = string }))
    servers        = optional(number, 3)
    instance_type  = optional(string, "t4g.small")
    disk_gibibytes = optional(number, 16)
    image          = optional(string)
  })
  default = null

  validation {
    condition     = var.consul != null || var.core.instances == 1
    error_message = "consul is null, and core.instances is ${var.core.instances}: edges find several cores by Consul; give consul.address or consul.release."
  }

  validation {
    condition     = var.consul == null || try((var.consul.address == null) != (var.consul.release == null), false)
    error_message = "consul needs one of the two: address of a cluster there is, or release of one to be made."
  }

  validation {
    condition     = try(var.consul.address, null) == null || can(regex("^[A-Za-z0-9.-]+:[0-9]{1,5}$", var.consul.address)) && length(try(var.consul.prefixes, [])) > 0
    error_message = "consul.address is HOST:PORT and wants consul.prefixes beside it, such as [\"10.0.3.0/24\"]."
  }

  validation {
    condition     = try(contains([3, 5], var.consul.servers), true)
    error_message = "consul.servers is ${try(var.consul.servers, 0)}: write 3 or 5; others survive no failure more."
  }

  validation {
    condition     = try(var.consul.release, null) == null || can(regex("^[0-9a-f]{64}$", var.consul.release.sha256))
    error_message = "consul.release.sha256 is not one: write the 64 hexadecimal digits that sha256sum prints."
  }
}

variable "steering" {
  description = "One name for all regions, in a public zone there is already; null has none. has_accelerator adds a Global Accelerator."
  type = object({
    zone_id         = string
    name            = string
    has_accelerator = optional(bool, false)
    ttl_seconds     = optional(number, 30)
  })
  default = null

  validation {
    condition     = var.steering == null || can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.steering.name))
    error_message = "steering.name is \"${try(var.steering.name, "")}\": write a whole name in the zone, such as play.example.com."
  }
}

variable "image" {
  description = "AMI of the relays; by default the newest Amazon Linux 2023 (x86-64), looked up by EC2 at each start. An ami-… belongs to one region."
  type        = string
  default     = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"

  validation {
    condition     = can(regex("^(ami-[0-9a-f]{8,17}|resolve:ssm:/[A-Za-z0-9/._-]+)$", var.image))
    error_message = "image is \"${var.image}\": write ami-… or resolve:ssm:/NAME/OF/A/PARAMETER."
  }
}
