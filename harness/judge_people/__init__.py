"""`judge-people`: whether judges agree with people, compared with how well one person agrees with the others."""
