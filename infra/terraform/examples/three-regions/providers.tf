# A provider works in one region. Each costs a process of some 300 MB and about a second of every plan, so those that
# are likely to get edges are listed, and the others fall back to the core's: the module says so if edges are to stand
# there. Edges in the core's own region use its provider. Another region needs its four lines here and its own name behind the equals sign in main.tf.

provider "aws" {
  region = "eu-central-1"

  default_tags {
    tags = { fleet = var.name }
  }
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = { fleet = var.name }
  }
}

provider "aws" {
  alias  = "us_west_2"
  region = "us-west-2"

  default_tags {
    tags = { fleet = var.name }
  }
}

provider "aws" {
  alias  = "sa_east_1"
  region = "sa-east-1"

  default_tags {
    tags = { fleet = var.name }
  }
}

provider "aws" {
  alias  = "ap_southeast_1"
  region = "ap-southeast-1"

  default_tags {
    tags = { fleet = var.name }
  }
}

provider "aws" {
  alias  = "ap_northeast_1"
  region = "ap-northeast-1"

  default_tags {
    tags = { fleet = var.name }
  }
}
