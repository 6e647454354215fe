terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.86"

      # `aws` works in the core's region. The others are for edges, one for each region that AWS has on without asking;
      # README.md says why they are listed here, and what to pass for regions without edges.
      configuration_aliases = [
        aws.ap_northeast_1,
        aws.ap_northeast_2,
        aws.ap_northeast_3,
        aws.ap_south_1,
        aws.ap_southeast_1,
        aws.ap_southeast_2,
        aws.ca_central_1,
        aws.eu_central_1,
        aws.eu_north_1,
        aws.eu_west_1,
        aws.eu_west_2,
        aws.eu_west_3,
        aws.sa_east_1,
        aws.us_east_1,
        aws.us_east_2,
        aws.us_west_1,
        aws.us_west_2,
      ]
    }
  }
}
