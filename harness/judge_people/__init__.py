"""`judge-people`: whether judges agree with people, beside how well one person agrees with the others."""
