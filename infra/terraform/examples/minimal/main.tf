# One region: one edge, one core, no Redis, no Consul. About the smallest fleet there is.

provider "aws" {
  region = "eu-central-1"
}

module "fleet" {
  source = "../.."

  name    = "minimal"
  origin  = var.origin
  release = var.release
  image   = var.image

  core = { zones = 1 }

  edges = {
    eu = {
      region = "eu-central-1"
      prefix = "10.10.0.0/20"
      zones  = 1
      entry  = "addresses"
      max    = 1
    }
  }

  # One provider for all: edges stand in its region only, and the module says so if one is to stand elsewhere.
  providers = {
    aws                = aws
    aws.ap_northeast_1 = aws
    aws.ap_northeast_2 = aws
    aws.ap_northeast_3 = aws
    aws.ap_south_1     = aws
    aws.ap_southeast_1 = aws
    aws.ap_southeast_2 = aws
    aws.ca_central_1   = aws
    aws.eu_central_1   = aws
    aws.eu_north_1     = aws
    aws.eu_west_1      = aws
    aws.eu_west_2      = aws
    aws.eu_west_3      = aws
    aws.sa_east_1      = aws
    aws.us_east_1      = aws
    aws.us_east_2      = aws
    aws.us_west_1      = aws
    aws.us_west_2      = aws
  }
}
