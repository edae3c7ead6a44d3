package main

import "github.com/gocql/gocql"

// compressor answers nil for none. LZ4 comes with version 2 of the driver.
func compressor(name string) gocql.Compressor {
	if name == "snappy" {
		return gocql.SnappyCompressor{}
	}
	return nil
}
