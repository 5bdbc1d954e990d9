"""Tables, engine, migrations, and one store per aggregate."""
