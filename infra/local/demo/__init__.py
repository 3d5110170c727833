"""`make demo`: deploys the platform into the local cloud and shows it doing its main job."""
