# What an edge may ask of AWS: its release, its own region's certificates and claims, its metric, and its own end.

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  parameters = "arn:${data.aws_partition.here.partition}:ssm:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}:parameter/tidegate/${var.fleet.name}"

  statements = concat(
    [
      {
        Sid      = "Release"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:${data.aws_partition.here.partition}:s3:::${var.fleet.release.bucket}/${var.fleet.release.key}"]
      },
      {
        Sid    = "Certificates"
        Effect = "Allow"
        Action = ["ssm:GetParameter", "ssm:GetParametersByPath"]
        Resource = concat(
          ["${local.parameters}/certificates/edge/${var.region}", "${local.parameters}/certificates/edge/${var.region}/*"],
          var.core.has_consul ? ["${local.parameters}/consul/client/*"] : [],
        )
      },
      {
        Sid      = "Claims"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"]
        Resource = ["${local.parameters}/claims/edge/${var.region}/*"]
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
        Resource = ["arn:${data.aws_partition.here.partition}:autoscaling:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.name}"]
      },
      { # these have no narrower form
        Sid      = "See"
        Effect   = "Allow"
        Action   = concat(["ec2:DescribeInstances"], local.has_balancer ? [] : ["ec2:DescribeAddresses"])
        Resource = ["*"]
      },
    ],
    local.has_balancer ? [] : [
      {
        Sid       = "Address"
        Effect    = "Allow"
        Action    = ["ec2:AssociateAddress"]
        Resource  = ["*"]
        Condition = { StringEquals = { "aws:ResourceTag/tidegate-fleet" = var.fleet.name, "aws:ResourceTag/tidegate-region" = var.region } }
      },
    ],
  )
}

resource "aws_iam_role" "edge" {
  name = local.name

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "edge" {
  name   = "edge"
  role   = aws_iam_role.edge.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# Operators come in by Session Manager. Not AmazonSSMManagedInstanceCore: that one may read every parameter there is.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.edge.name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"
}

resource "aws_iam_instance_profile" "edge" {
  name = local.name
  role = aws_iam_role.edge.name
}
