# The root module with three providers. Tests of it as it stands would start a process for each of its 18 aliases.

module "fleet" {
  source = "../.."

  name     = var.name
  game     = var.game
  origin   = var.origin
  release  = var.release
  ports    = var.ports
  core     = var.core
  edges    = var.edges
  redis    = var.redis
  consul   = var.consul
  steering = var.steering
  image    = var.image

  providers = {
    aws                = aws
    aws.ap_northeast_1 = aws
    aws.ap_northeast_2 = aws
    aws.ap_northeast_3 = aws
    aws.ap_south_1     = aws
    aws.ap_southeast_1 = aws.asia
    aws.ap_southeast_2 = aws
    aws.ca_central_1   = aws
    aws.eu_central_1   = aws
    aws.eu_north_1     = aws
    aws.eu_west_1      = aws
    aws.eu_west_2      = aws
    aws.eu_west_3      = aws
    aws.sa_east_1      = aws
    aws.us_east_1      = aws.us
    aws.us_east_2      = aws
    aws.us_west_1      = aws
    aws.us_west_2      = aws
  }
}
