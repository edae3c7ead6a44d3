package main

import (
	"github.com/apache/cassandra-gocql-driver/v2"
	"github.com/apache/cassandra-gocql-driver/v2/lz4"
	"github.com/apache/cassandra-gocql-driver/v2/snappy"
)

// compressor answers nil for none.
func compressor(name string) gocql.Compressor {
	switch name {
	case "snappy":
		return snappy.SnappyCompressor{}
	case "lz4":
		return lz4.LZ4Compressor{}
	}
	return nil
}
