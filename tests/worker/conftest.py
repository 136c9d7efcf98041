from tests.plugins.engines.replica_fixtures import processes, run_folder

__all__ = ["processes", "run_folder"]
