package loader

func validateModel(ix *Index) error { return nil }
