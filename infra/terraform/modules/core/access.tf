# What a core may ask of AWS: its release, the cores' certificates and claims, the Redis's token, its own end.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  account    = data.aws_caller_identity.here.account_id
  partition  = data.aws_partition.here.partition
  parameters = "arn:${local.partition}:ssm:${data.aws_region.here.name}:${local.account}:parameter/tidegate/${var.fleet.name}"

  statements = concat(
    [
      {
        Sid      = "Release"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:${local.partition}:s3:::${var.fleet.release.bucket}/${var.fleet.release.key}"]
      },
      {
        Sid    = "Certificates"
        Effect = "Allow"
        Action = ["ssm:GetParameter", "ssm:GetParametersByPath"]
        Resource = concat(
          ["${local.parameters}/certificates/core/${var.core.name}", "${local.parameters}/certificates/core/${var.core.name}/*"],
          local.has_consul ? ["${local.parameters}/consul/client/*"] : [],
        )
      },
      {
        Sid      = "Claims"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"]
        Resource = ["${local.parameters}/claims/core/${var.core.name}/*"]
      },
      {
        Sid       = "Metric"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"]
        Condition = { StringEquals = { "cloudwatch:namespace" = "Tidegate" } }
      },
      {
        Sid      = "OwnEnd"
        Effect   = "Allow"
        Action   = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
        Resource = ["arn:${local.partition}:autoscaling:${data.aws_region.here.name}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${local.name}"]
      },
      { # this has no narrower form
        Sid      = "See"
        Effect   = "Allow"
        Action   = ["ec2:DescribeInstances"]
        Resource = ["*"]
      },
    ],
    var.redis == null ? [] : [
      {
        Sid      = "RedisToken"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.redis.secret_arn]
      },
    ],
    var.dns == null ? [] : [
      {
        Sid       = "OwnName"
        Effect    = "Allow"
        Action    = ["route53:ChangeResourceRecordSets"]
        Resource  = ["arn:${local.partition}:route53:::hostedzone/${var.dns.zone_id}"]
        Condition = { "ForAllValues:StringEquals" = { "route53:ChangeResourceRecordSetsNormalizedRecordNames" = [var.dns.name] } }
      },
    ],
  )
}

resource "aws_iam_role" "core" {
  name = local.name

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "core" {
  name   = "core"
  role   = aws_iam_role.core.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# Operators come in by Session Manager. Not AmazonSSMManagedInstanceCore: that one may read every parameter there is.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.core.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"
}

resource "aws_iam_instance_profile" "core" {
  name = local.name
  role = aws_iam_role.core.name
}
