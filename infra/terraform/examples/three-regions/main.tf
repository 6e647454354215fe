# Edges in Europe, America and Asia, two cores in Europe that share a Redis and are found by Consul, and one name.

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
    aws.ap_northeast_1 = aws.ap_northeast_1
    aws.ap_northeast_2 = aws
    aws.ap_northeast_3 = aws
    aws.ap_south_1     = aws
    aws.ap_southeast_1 = aws.ap_southeast_1
    aws.ap_southeast_2 = aws
    aws.ca_central_1   = aws
    aws.eu_central_1   = aws
    aws.eu_north_1     = aws
    aws.eu_west_1      = aws
    aws.eu_west_2      = aws
    aws.eu_west_3      = aws
    aws.sa_east_1      = aws.sa_east_1
    aws.us_east_1      = aws.us_east_1
    aws.us_east_2      = aws
    aws.us_west_1      = aws
    aws.us_west_2      = aws.us_west_2
  }
}
