# The lease table of an application, as a worker would create it. A test holds the two together.

variable "application" {
  type        = string
  description = "The application's name, or its table_name"
}

resource "aws_dynamodb_table" "leases" {
  name         = var.application
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "leaseKey"

  attribute {
    name = "leaseKey"
    type = "S"
  }

  attribute {
    name = "leaseOwner"
    type = "S"
  }

  global_secondary_index {
    name            = "LeaseOwnerToLeaseKeyIndex"
    hash_key        = "leaseOwner"
    range_key       = "leaseKey"
    projection_type = "KEYS_ONLY"
  }

  # A worker sets neither of these by default.
  deletion_protection_enabled = true

  point_in_time_recovery {
    enabled = true
  }
}
